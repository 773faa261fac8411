//! Which callback of the driver is running: the windows that calls are tied to.

use std::{cell::RefCell, fmt, sync::Arc, time::Duration};

use super::machine::Machine;
use crate::{engine::Baggage, observe::Place};

/// A callback of the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Activity {
    DriverEntry,
    FindAdapter,
    Initialize,
    PassiveInitialize,
    BuildIo,
    StartIo,
    Message(u16),
    LineInterrupt,
    Dpc,
    Timer,
    StateChange,
    ResetBus,
    WorkItem,
    AdapterControl(u32),
    UnitControl(u32),
    SynchronizedAccess,
    ScatterGather,
    Thread,
    RegistryNotification,
}

impl fmt::Display for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DriverEntry => f.write_str("DriverEntry"),
            Self::FindAdapter => f.write_str("HwStorFindAdapter"),
            Self::Initialize => f.write_str("HwStorInitialize"),
            Self::PassiveInitialize => f.write_str("HwStorPassiveInitialize"),
            Self::BuildIo => f.write_str("HwStorBuildIo"),
            Self::StartIo => f.write_str("HwStorStartIo"),
            Self::Message(message) => write!(f, "HwMSInterruptRoutine(message {message})"),
            Self::LineInterrupt => f.write_str("HwStorInterrupt"),
            Self::Dpc => f.write_str("HwStorDpc"),
            Self::Timer => f.write_str("HwStorTimer"),
            Self::StateChange => f.write_str("HwStorStateChange"),
            Self::ResetBus => f.write_str("HwStorResetBus"),
            Self::WorkItem => f.write_str("HwStorWorkItem"),
            Self::AdapterControl(kind) => write!(f, "HwStorAdapterControl({kind})"),
            Self::UnitControl(kind) => write!(f, "HwStorUnitControl({kind})"),
            Self::SynchronizedAccess => f.write_str("HwStorSynchronizedAccess"),
            Self::ScatterGather => f.write_str("the scatter/gather list's routine"),
            Self::Thread => f.write_str("a thread of the miniport's"),
            Self::RegistryNotification => f.write_str("HwRegistryNotification"),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    activity: Activity,
    stalled: Duration,
    /// Where it runs; known only if somebody watches.
    place: Option<Place>,
}

thread_local! {
    static MACHINE: RefCell<Option<Arc<Machine>>> = const { RefCell::new(None) };
    static ACTIVITIES: RefCell<Vec<Frame>> = const { RefCell::new(Vec::new()) };
}

/// Binds this thread to a machine: calls of driver code on it are answered by that machine.
pub(super) fn bind(machine: &Arc<Machine>) {
    MACHINE.with(|slot| *slot.borrow_mut() = Some(Arc::clone(machine)));
}

/// Ends the binding.
pub(super) fn unbind() {
    MACHINE.with(|slot| *slot.borrow_mut() = None);
}

/// The machine of this thread.
pub(super) fn machine() -> Option<Arc<Machine>> {
    MACHINE.with(|slot| slot.borrow().clone())
}

/// As [`machine`], for a signal handler: gives up where it would have to wait.
pub(super) fn machine_in_signal() -> Option<Arc<Machine>> {
    MACHINE
        .try_with(|slot| slot.try_borrow().ok().and_then(|machine| machine.clone()))
        .ok()
        .flatten()
}

/// Enters a callback.
pub(super) fn enter(activity: Activity) {
    ACTIVITIES.with(|stack| {
        stack.borrow_mut().push(Frame {
            activity,
            stalled: Duration::ZERO,
            place: None,
        });
    });
}

/// Leaves the innermost callback; its sum of stalls is returned.
pub(super) fn leave() -> Duration {
    ACTIVITIES.with(|stack| {
        stack
            .borrow_mut()
            .pop()
            .map_or(Duration::ZERO, |frame| frame.stalled)
    })
}

/// The innermost callback.
pub(super) fn current() -> Option<Activity> {
    ACTIVITIES.with(|stack| stack.borrow().last().map(|frame| frame.activity))
}

/// Notes where the innermost callback runs.
pub(super) fn set_place(place: Place) {
    ACTIVITIES.with(|stack| {
        if let Some(frame) = stack.borrow_mut().last_mut() {
            frame.place = Some(place);
        }
    });
}

/// Where the innermost callback runs of which that is known.
pub(super) fn place() -> Option<Place> {
    ACTIVITIES.with(|stack| stack.borrow().iter().rev().find_map(|frame| frame.place))
}

/// Adds a stall to the innermost callback.
pub(super) fn stall(duration: Duration) {
    ACTIVITIES.with(|stack| {
        if let Some(frame) = stack.borrow_mut().last_mut() {
            frame.stalled += duration;
        }
    });
}

thread_local! {
    static CALL_SITE: std::cell::Cell<Option<crate::trap::Registers>> = const { std::cell::Cell::new(None) };
}

/// What goes with an activity besides its [`crate::engine::Context`].
#[derive(Default)]
struct Carried {
    activities: Vec<Frame>,
    thread: crate::abi::GuestAddress,
    call_site: Option<crate::trap::Registers>,
}

/// Exchanges what this thread carries with an activity's baggage, when an engine switches stacks.
pub(super) fn exchange(baggage: &mut Baggage) {
    let slot = baggage.get_or_insert_with(|| Box::new(Carried::default()));
    if let Some(carried) = slot.downcast_mut::<Carried>() {
        ACTIVITIES.with(|stack| std::mem::swap(&mut *stack.borrow_mut(), &mut carried.activities));
        carried.thread = super::threads::set_current(carried.thread);
        carried.call_site = CALL_SITE.replace(carried.call_site);
    }
}

/// Notes the driver's registers at the call that is being answered; the ones before are returned.
pub(super) fn set_call_site(site: Option<crate::trap::Registers>) -> Option<crate::trap::Registers> {
    CALL_SITE.replace(site)
}

/// The driver's registers at the call that is being answered.
pub(super) fn call_site() -> Option<crate::trap::Registers> {
    CALL_SITE.get()
}
