//! DPCs and timers that the driver has from the kernel: `KDPC` and `KTIMER`.
//!
//! A queued DPC ignores another request. Unlike Storport's, the kernel does not serialise a routine: it may run on two processors at
//! once. A timer's DPC is queued when the timer is due. Sources: Microsoft Learn, wdm.h.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::Mutex;

use super::{
    activity::Activity, adapter::Phase, kernel::INVALID_PARAMETER, kernel_objects::kind, lab::PATIENCE,
    machine::Machine, rules,
};
use crate::{
    abi::{
        GuestAddress,
        entry::Routine,
        exports::{Arguments, Export},
        guest,
    },
    engine::{Context, Irql, Level, TimerId},
};

/// `KDPC`: 64 bytes, its type first, routine and context in the words 3 and 4.
const DPC_OBJECT: u64 = 0x13;
/// `KTIMER`: where its DPC and its period in milliseconds are.
const TIMER_DPC: u64 = 48;
const TIMER_PERIOD: u64 = 60;

struct Dpc {
    routine: Routine,
    context: u64,
    queued: Option<[u64; 2]>,
    /// Where it is to run, if the driver has said so.
    target: Option<u32>,
}

#[derive(Default)]
struct Timer {
    active: Option<TimerId>,
    /// Tells a request from an earlier one whose end is already on its way.
    generation: u64,
    dpc: GuestAddress,
    period: Duration,
}

#[derive(Default)]
struct Tables {
    dpcs: BTreeMap<GuestAddress, Dpc>,
    timers: BTreeMap<GuestAddress, Timer>,
    /// Routines that run.
    running: usize,
}

/// All of them, by address.
#[derive(Default)]
pub(super) struct KernelDpcs {
    tables: Mutex<Tables>,
}

impl KernelDpcs {
    /// Queued DPCs, and routines that run.
    pub(super) fn busy(&self) -> usize {
        let tables = self.tables.lock();
        tables.running + tables.dpcs.values().filter(|dpc| dpc.queued.is_some()).count()
    }
}

impl Machine {
    pub(super) fn kernel_dpcs(self: &Arc<Self>, export: Export, arguments: Arguments) -> Option<u64> {
        let object = arguments.pointer(0);
        Some(match export {
            Export::KeInitializeDpc | Export::KeInitializeThreadedDpc => {
                self.kernel_initialize_dpc(object, arguments.pointer(1), arguments.get(2));
                0
            }
            Export::KeInsertQueueDpc => {
                u64::from(self.kernel_queue_dpc(object, [arguments.get(1), arguments.get(2)]))
            }
            Export::KeRemoveQueueDpc => {
                let taken = self.with_kernel_dpc(object, |dpc| dpc.queued.take().is_some());
                u64::from(taken.unwrap_or(false))
            }
            Export::KeFlushQueuedDpcs => {
                let own = usize::from(super::activity::current() == Some(Activity::Dpc));
                self.engine.wait(PATIENCE, &mut || {
                    self.kernel_dpcs.busy() <= own && self.dpcs.queued() == 0 || self.journal.is_down()
                });
                0
            }
            // Only the order of a processor's queue depends on it.
            Export::KeSetImportanceDpc => {
                self.with_kernel_dpc(object, |_| ());
                0
            }
            Export::KeSetTargetProcessorDpc => {
                let number = u32::from(arguments.u8(1));
                self.kernel_target_dpc(object, number);
                0
            }
            Export::KeSetTargetProcessorDpcEx => {
                let [group, _, number, _]: [u8; 4] = guest::read(arguments.pointer(1));
                let good = group == 0 && u32::from(number) < self.engine.processors();
                if !good {
                    return Some(INVALID_PARAMETER);
                }
                self.kernel_target_dpc(object, number.into());
                0
            }
            Export::KeInitializeTimer => {
                self.kernel_initialize_timer(object, kind::NOTIFICATION_TIMER);
                0
            }
            Export::KeInitializeTimerEx => {
                let kind = if arguments.u32(1) == 0 {
                    kind::NOTIFICATION_TIMER
                } else {
                    kind::SYNCHRONIZATION_TIMER
                };
                self.kernel_initialize_timer(object, kind);
                0
            }
            Export::KeSetTimer => {
                let dpc = arguments.pointer(2);
                u64::from(self.kernel_set_timer(object, arguments.get(1), Duration::ZERO, dpc))
            }
            Export::KeSetTimerEx => {
                let period = Duration::from_millis(arguments.u32(2).into());
                u64::from(self.kernel_set_timer(object, arguments.get(1), period, arguments.pointer(3)))
            }
            Export::KeCancelTimer => {
                let active = self.with_kernel_timer(object, |timer| {
                    timer.generation += 1;
                    timer.active.take()
                });
                let active = active.flatten();
                if let Some(id) = active {
                    self.engine.cancel(id);
                }
                u64::from(active.is_some())
            }
            _ => return None,
        })
    }

    fn kernel_initialize_dpc(&self, object: GuestAddress, routine: GuestAddress, context: u64) {
        let Some(routine) = Routine::new(routine).filter(|_| object != 0) else {
            let _ = self.not_null("Dpc and DeferredRoutine", 0);
            return;
        };
        let dpc = Dpc {
            routine,
            context,
            queued: None,
            target: None,
        };
        let before = self.kernel_dpcs.tables.lock().dpcs.insert(object, dpc);
        if before.is_some_and(|dpc| dpc.queued.is_some()) {
            self.violate(&rules::DPC_REINITIALIZED, || format!("DPC {object:#x} is queued"));
        }
        guest::write(object, &[DPC_OBJECT, 0, 0, routine.address(), context, 0, 0, 0]);
    }

    fn kernel_target_dpc(&self, object: GuestAddress, number: u32) {
        if number >= self.engine.processors() {
            self.violate(&rules::BAD_PARAMETER, || {
                format!("there is no processor {number}")
            });
            return;
        }
        self.with_kernel_dpc(object, |dpc| dpc.target = Some(number));
    }

    fn with_kernel_dpc<R>(&self, object: GuestAddress, act: impl FnOnce(&mut Dpc) -> R) -> Option<R> {
        let done = self.kernel_dpcs.tables.lock().dpcs.get_mut(&object).map(act);
        if done.is_none() {
            self.unknown_object("DPC", object);
        }
        done
    }

    fn with_kernel_timer<R>(&self, object: GuestAddress, act: impl FnOnce(&mut Timer) -> R) -> Option<R> {
        let done = self.kernel_dpcs.tables.lock().timers.get_mut(&object).map(act);
        if done.is_none() {
            self.unknown_object("timer", object);
        }
        done
    }

    fn kernel_queue_dpc(self: &Arc<Self>, object: GuestAddress, given: [u64; 2]) -> bool {
        let target = self.with_kernel_dpc(object, |dpc| {
            if dpc.queued.is_some() {
                return None;
            }
            dpc.queued = Some(given);
            Some(dpc.target.unwrap_or_else(Context::processor))
        });
        let Some(target) = target.flatten() else {
            return false;
        };
        let machine = Arc::clone(self);
        let job = Box::new(move || machine.run_kernel_dpc(object));
        self.engine.post(target, Level::Dpc, job);
        true
    }

    fn run_kernel_dpc(&self, object: GuestAddress) {
        let taken = {
            let mut tables = self.kernel_dpcs.tables.lock();
            let taken = tables
                .dpcs
                .get_mut(&object)
                .and_then(|dpc| Some((dpc.routine, dpc.context, dpc.queued.take()?)));
            tables.running += usize::from(taken.is_some());
            taken
        };
        let Some((routine, context, [first, second])) = taken else {
            return;
        };
        if self.phase() != Phase::Removed {
            self.counters.dpcs();
            let arguments = [object, context, first, second];
            self.call(Activity::Dpc, Irql::DISPATCH, &[], routine, &arguments);
        }
        self.kernel_dpcs.tables.lock().running -= 1;
        self.engine.wake();
    }

    fn kernel_initialize_timer(&self, object: GuestAddress, kind: u8) {
        let active = {
            let mut tables = self.kernel_dpcs.tables.lock();
            let before = tables.timers.insert(object, Timer::default());
            before.and_then(|timer| timer.active)
        };
        if let Some(id) = active {
            self.engine.cancel(id);
            self.violate(&rules::BAD_PARAMETER, || {
                format!("timer {object:#x} is initialised while it is set")
            });
        }
        self.new_object(object, kind, 0);
        guest::write(object + 24, &[0_u64; 5]);
    }

    /// Whether it was set before.
    fn kernel_set_timer(
        self: &Arc<Self>,
        object: GuestAddress,
        due: u64,
        period: Duration,
        dpc: GuestAddress,
    ) -> bool {
        if dpc != 0 && self.with_kernel_dpc(dpc, |_| ()).is_none() {
            return false;
        }
        let before = self.with_kernel_timer(object, |timer| {
            timer.generation += 1;
            timer.active.take()
        });
        let Some(before) = before else {
            return false;
        };
        if let Some(id) = before {
            self.engine.cancel(id);
        }
        self.change_signal(object, |_| 0);
        guest::write(object + TIMER_DPC, &dpc);
        let milliseconds = u32::try_from(period.as_millis()).unwrap_or(u32::MAX);
        guest::write(object + TIMER_PERIOD, &milliseconds);
        self.arm_kernel_timer(object, self.due_in(due.cast_signed()), period, dpc);
        before.is_some()
    }

    fn arm_kernel_timer(
        self: &Arc<Self>,
        object: GuestAddress,
        delay: Duration,
        period: Duration,
        dpc: GuestAddress,
    ) {
        let machine = Arc::clone(self);
        // The table stays locked until the id is in it: the clock may be faster than this thread.
        let mut tables = self.kernel_dpcs.tables.lock();
        let Some(timer) = tables.timers.get_mut(&object) else {
            return;
        };
        timer.generation += 1;
        timer.dpc = dpc;
        timer.period = period;
        let generation = timer.generation;
        let job = Box::new(move || machine.fire_kernel_timer(object, generation));
        timer.active = Some(self.engine.after(delay, Context::processor(), job));
    }

    fn fire_kernel_timer(self: &Arc<Self>, object: GuestAddress, generation: u64) {
        let due = {
            let mut tables = self.kernel_dpcs.tables.lock();
            let timer = tables.timers.get_mut(&object);
            let timer = timer.filter(|timer| timer.active.is_some() && timer.generation == generation);
            timer.map(|timer| {
                timer.active = None;
                (timer.dpc, timer.period)
            })
        };
        let Some((dpc, period)) = due else {
            return;
        };
        self.counters.timers_fired();
        self.change_signal(object, |_| 1);
        if !period.is_zero() {
            self.arm_kernel_timer(object, period, period, dpc);
        }
        if dpc != 0 {
            // The low and high part of the time at which it was due.
            let now = u64::try_from(self.engine.now().as_nanos() / 100).unwrap_or(u64::MAX);
            self.kernel_queue_dpc(dpc, [now & 0xFFFF_FFFF, now >> 32]);
        }
        self.engine.wake();
    }

    /// Before the device extension goes: what is still set or queued in it would be touched afterwards.
    pub(super) fn end_kernel_dpcs(&self) {
        let (timers, queued) = {
            let mut tables = self.kernel_dpcs.tables.lock();
            let timers: Vec<(GuestAddress, TimerId)> = tables
                .timers
                .iter_mut()
                .filter_map(|(&object, timer)| Some((object, timer.active.take()?)))
                .collect();
            let queued: Vec<GuestAddress> = tables
                .dpcs
                .iter_mut()
                .filter_map(|(&object, dpc)| dpc.queued.take().map(|_| object))
                .collect();
            tables.timers.clear();
            (timers, queued)
        };
        for (object, id) in timers {
            self.engine.cancel(id);
            self.violate(&rules::TIMER_AFTER_REMOVAL, || {
                format!("the kernel's timer at {object:#x} is set yet")
            });
        }
        for object in queued {
            self.violate(&rules::DPC_AFTER_REMOVAL, || {
                format!("the kernel's DPC at {object:#x} is queued")
            });
        }
    }
}
