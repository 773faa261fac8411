//! Calls into the driver: at the documented IRQL, holding the documented locks, judged on return.

use std::{sync::Arc, time::Duration};

use super::{
    activity::{self, Activity},
    machine::Machine,
    rules,
};
use crate::{
    abi::entry::Routine,
    engine::{Context, HeldLock, Irql, SpinLock, context::HeldBy},
    observe::Event,
    trap,
};

/// Stalls that one callback may add up to.
const STALL_BUDGET: Duration = Duration::from_millis(100);
/// Time a callback at DISPATCH_LEVEL or above may take on Windows.
const CALLBACK_BUDGET: Duration = Duration::from_millis(500);
/// The same for `HwStorInitialize`.
const INITIALIZE_BUDGET: Duration = Duration::from_secs(5);
/// A lab with trapped registers and an emulated device is slower than a real machine.
const HOST_FACTOR: u32 = 4;

impl Machine {
    /// Calls `routine` as Storport would. `None` once the system is down.
    pub(super) fn call(
        &self,
        activity: Activity,
        irql: Irql,
        locks: &[&Arc<SpinLock>],
        routine: Routine,
        arguments: &[u64],
    ) -> Option<u64> {
        if self.journal.is_down() {
            return None;
        }
        let old = self.raise(irql);
        for lock in locks {
            self.port_acquire(lock);
        }
        let call_before = Context::with(|context| context.call.take());
        let irql_before = Context::irql();
        let held_before = Context::with(|context| context.held.borrow().len());
        activity::enter(activity);
        let begun = self.callback_begins(activity, irql, arguments);
        let start = self.engine.now();
        let counted = self.counting.begin(activity);
        self.engine.mix(arguments);
        trap::preempt::begin(self.engine.steps());
        let result = routine.call(arguments);
        trap::preempt::end();
        self.counting.end(counted);
        let took = self.engine.now().saturating_sub(start);
        self.judge_return(activity, irql_before, held_before);
        self.callback_ends(&begun);
        let stalled = activity::leave();
        self.judge_time(activity, irql, took, stalled);
        Context::with(|context| context.call.set(call_before));
        for lock in locks.iter().rev() {
            self.port_release(lock);
        }
        self.lower(old);
        Some(result)
    }

    fn judge_return(&self, activity: Activity, irql: Irql, held: usize) {
        let left = Context::with(|context| {
            let mut locks = context.held.borrow_mut();
            let from = held.min(locks.len());
            locks.split_off(from)
        });
        let mut base = Context::irql();
        for lock in left.iter().rev() {
            let name = lock.lock.name();
            self.violate(&rules::LOCK_NOT_RELEASED, || {
                format!("{activity} returned holding the {name}")
            });
            if lock.real {
                self.engine.release(&lock.lock);
            }
            base = lock.old_irql;
        }
        // Driver code may have moved CR8 by itself.
        let seen = Irql(trap::current_irql());
        if seen != Context::irql() {
            base = seen;
        }
        if base != irql {
            self.violate(&rules::IRQL_CHANGED, || {
                format!("{activity} was called at {irql} and returned at {base}")
            });
        }
        if Context::irql() != irql || seen != irql {
            self.lower(irql);
        }
    }

    fn judge_time(&self, activity: Activity, irql: Irql, took: Duration, stalled: Duration) {
        if stalled > STALL_BUDGET && irql >= Irql::DISPATCH {
            self.violate(&rules::STALL_TOTAL, || {
                format!("{activity} stalled for {stalled:?} in all at {irql}")
            });
        }
        let budget = match activity {
            Activity::FindAdapter => return,
            Activity::Initialize => INITIALIZE_BUDGET,
            _ if irql < Irql::DISPATCH => return,
            _ => CALLBACK_BUDGET,
        };
        if took > budget * HOST_FACTOR {
            self.violate(&rules::CALLBACK_TOO_LONG, || {
                format!(
                    "{activity} took {took:?}; Windows allows {budget:?}, the lab {HOST_FACTOR} times that for \
                     the host's slowness"
                )
            });
        }
    }

    /// Raises this activity's IRQL.
    pub(super) fn raise(&self, irql: Irql) -> Irql {
        let old = self.engine.raise(irql);
        self.observation.tell(|| Event::Irql {
            processor: Context::processor(),
            irql: Context::irql().0,
        });
        old
    }

    /// Lowers this activity's IRQL.
    pub(super) fn lower(&self, irql: Irql) {
        // Before: the processor may be somebody else's afterwards.
        self.observation.tell(|| Event::Irql {
            processor: Context::processor(),
            irql: irql.0,
        });
        self.engine.lower(irql);
    }

    /// Takes a lock on Storport's behalf. Its holder runs at the lock's IRQL: who holds the interrupt lock at `DISPATCH_LEVEL` would
    /// be interrupted by whoever waits for it.
    pub(super) fn port_acquire(&self, lock: &Arc<SpinLock>) {
        let old_irql = self.raise(lock.name().irql());
        self.engine.acquire(lock);
        let held = HeldLock {
            lock: Arc::clone(lock),
            by: HeldBy::Port,
            old_irql,
            real: true,
        };
        Context::with(|context| context.held.borrow_mut().push(held));
    }

    /// Gives a lock back on Storport's behalf.
    pub(super) fn port_release(&self, lock: &Arc<SpinLock>) {
        let held = Context::with(|context| {
            let mut held = context.held.borrow_mut();
            let index = held
                .iter()
                .rposition(|h| h.by == HeldBy::Port && h.lock.name() == lock.name());
            index.map(|index| held.remove(index))
        });
        if let Some(held) = held
            && held.real
        {
            self.engine.release(lock);
            self.lower(held.old_irql.min(Context::irql()));
        }
    }
}
