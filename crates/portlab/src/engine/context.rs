//! What an activity knows of itself: processor, IRQL, locks, the driver call it is in.
//!
//! One per host thread here; an engine that switches stacks on one thread swaps it.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    sync::Arc,
};

use super::{Irql, LockName, SpinLock};
use crate::{
    abi::{GuestAddress, exports::Call},
    trap,
};

/// A lock the current activity holds.
#[derive(Debug, Clone)]
pub struct HeldLock {
    /// The lock.
    pub lock: Arc<SpinLock>,
    /// Who took it.
    pub by: HeldBy,
    /// IRQL before.
    pub old_irql: Irql,
    /// `false` for a lock that the driver asked for a second time and did not really get.
    pub real: bool,
}

/// Who took a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldBy {
    /// Storport, around a callback.
    Port,
    /// The driver, with the lock handle at this address.
    Handle(GuestAddress),
    /// The driver, by message number.
    Message,
}

/// What else goes with an activity when an engine switches stacks; its owner knows what it is.
pub type Baggage = Option<Box<dyn Any + Send>>;

/// State of one activity.
#[derive(Debug, Default)]
pub struct Context {
    /// Index of the virtual processor.
    pub processor: Cell<u32>,
    /// Current IRQL.
    pub irql: Cell<Irql>,
    /// Whether this activity occupies its processor.
    pub occupies: Cell<bool>,
    /// Locks, oldest first.
    pub held: RefCell<Vec<HeldLock>>,
    /// The driver's call into the kernel that is being answered.
    pub call: Cell<Option<Call>>,
    /// Address on this stack above which lie no frames of the driver's current callback.
    pub stack_top: Cell<GuestAddress>,
}

thread_local! {
    static CURRENT: Context = Context::default();
}

impl Context {
    /// Works with the current activity's context.
    pub fn with<R>(f: impl FnOnce(&Self) -> R) -> R {
        CURRENT.with(f)
    }

    /// Exchanges the current activity's context with `other`, and shows driver code the IRQL that is now current.
    pub(super) fn exchange(other: &Self) {
        Self::with(|context| {
            context.processor.swap(&other.processor);
            context.irql.swap(&other.irql);
            context.occupies.swap(&other.occupies);
            context.held.swap(&other.held);
            context.call.swap(&other.call);
            context.stack_top.swap(&other.stack_top);
        });
        trap::set_current_irql(Self::irql().0);
    }

    /// The current IRQL.
    #[must_use]
    pub fn irql() -> Irql {
        Self::with(|context| context.irql.get())
    }

    /// Sets the current IRQL, where driver code sees it too.
    pub(super) fn set_irql(irql: Irql) {
        Self::with(|context| context.irql.set(irql));
        trap::set_current_irql(irql.0);
    }

    /// The current virtual processor.
    #[must_use]
    pub fn processor() -> u32 {
        Self::with(|context| context.processor.get())
    }

    /// Names of the locks held, oldest first.
    #[must_use]
    pub fn held_names() -> Vec<LockName> {
        Self::with(|context| {
            context
                .held
                .borrow()
                .iter()
                .map(|held| held.lock.name())
                .collect()
        })
    }

    /// Whether the current activity holds the lock.
    #[must_use]
    pub fn holds(name: LockName) -> bool {
        Self::with(|context| {
            context
                .held
                .borrow()
                .iter()
                .any(|held| held.real && held.lock.name() == name)
        })
    }
}
