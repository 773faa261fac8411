//! Timers: the adapter's one old timer, and the timer objects of Windows 8.
//!
//! A timer object is *active* from the successful request until its callback starts, so the callback may ask
//! for it again. DDI pages: `StorPortRequestTimer` and its kin, `HwStorTimer`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::Mutex;

use super::{activity::Activity, adapter::Phase, limits::status, machine::Machine, request::Leak, rules};
use crate::{
    abi::{GuestAddress, codes::stor_status, entry::Routine, exports::Arguments, guest},
    engine::{Context, Irql, SpinLock, TimerId},
};

#[derive(Debug, Clone, Copy, Default)]
struct Timer {
    active: Option<TimerId>,
    running: bool,
    freed: bool,
    /// Storport could not free it for lack of memory: it is no leak of the driver's.
    kept: bool,
    /// Tells a request from an earlier one whose callback is already on its way.
    generation: u64,
}

/// Handles are addresses that nothing is mapped at: whoever follows one faults.
const FIRST_HANDLE: GuestAddress = 0x0000_7A20_0000_0000;
/// The key of the timer that belongs to the adapter itself.
const ADAPTER_TIMER: GuestAddress = 0;

#[derive(Default)]
pub(super) struct Timers {
    table: Mutex<BTreeMap<GuestAddress, Timer>>,
}

impl Timers {
    /// Callbacks that are running.
    pub(super) fn running(&self) -> usize {
        self.table.lock().values().filter(|timer| timer.running).count()
    }

    /// What is to fire yet, in words.
    pub(super) fn active(&self) -> Vec<String> {
        let table = self.table.lock();
        let active = table.iter().filter(|(_, timer)| timer.active.is_some());
        active
            .map(|(&handle, _)| match handle {
                ADAPTER_TIMER => String::from("the timer of RequestTimerCall"),
                handle => format!("timer {handle:#x}"),
            })
            .collect()
    }

    /// Timer objects never freed; all are forgotten. The ids of active ones are returned too.
    pub(super) fn drain_leaks(&self) -> (Vec<Leak>, Vec<TimerId>) {
        let table = std::mem::take(&mut *self.table.lock());
        let active = table.values().filter_map(|timer| timer.active).collect();
        let leaks = table
            .into_iter()
            .filter(|&(handle, timer)| handle != ADAPTER_TIMER && !timer.freed && !timer.kept)
            .map(|(handle, timer)| Leak {
                kind: "timer",
                what: format!(
                    "{handle:#x}{}",
                    if timer.active.is_some() {
                        ", still active"
                    } else {
                        ""
                    }
                ),
            })
            .collect();
        (leaks, active)
    }
}

impl Machine {
    /// `StorPortInitializeTimer(HwDeviceExtension, TimerHandle)`.
    pub(super) fn initialize_timer(&self, arguments: Arguments) -> u32 {
        let (extension, out) = (arguments.pointer(1), arguments.pointer(2));
        status((|| {
            self.dispatch_limited(extension)?;
            self.not_null("TimerHandle", out)?;
            self.resources()?;
            let handle = {
                let mut table = self.timers.table.lock();
                let last = table.last_key_value().map_or(ADAPTER_TIMER, |(&last, _)| last);
                let handle = if last == ADAPTER_TIMER {
                    FIRST_HANDLE
                } else {
                    last + 0x10
                };
                table.insert(handle, Timer::default());
                handle
            };
            guest::write(out, &handle);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortRequestTimer(HwDeviceExtension, TimerHandle, TimerCallback, CallbackContext, TimerValue,
    /// TolerableDelay)`; microseconds.
    pub(super) fn request_timer(self: &Arc<Self>, arguments: Arguments) -> u32 {
        let (extension, handle) = (arguments.pointer(1), arguments.pointer(2));
        let (callback, context) = (arguments.pointer(3), arguments.pointer(4));
        let value = arguments.get(5);
        status((|| {
            self.any_irql(extension)?;
            self.not_null("TimerHandle", handle)?;
            // The page makes no exception for a request that cancels.
            self.not_null("TimerCallback", callback)?;
            let routine = Routine::new(callback).ok_or(stor_status::INVALID_PARAMETER)?;
            if value == 0 {
                self.cancel_timer(handle)?;
                return Ok(stor_status::SUCCESS);
            }
            // Above DISPATCH_LEVEL the scheduling is put off, which takes memory; the engine fires no timer on a processor
            // before its IRQL permits.
            let active = self.with_timer(handle, |timer| timer.active.is_some())?;
            if !active && Context::irql() > Irql::DISPATCH {
                self.resources()?;
            }
            let delay = Duration::from_micros(value);
            self.arm(handle, delay, routine, &[extension, context])?;
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortFreeTimer(HwDeviceExtension, TimerHandle)`.
    pub(super) fn free_timer(&self, arguments: Arguments) -> u32 {
        let (extension, handle) = (arguments.pointer(1), arguments.pointer(2));
        status((|| {
            self.dispatch_limited(extension)?;
            self.not_null("TimerHandle", handle)?;
            if self
                .timers
                .table
                .lock()
                .get(&handle)
                .is_some_and(|timer| timer.freed)
            {
                self.violate(&rules::TIMER_FREED_TWICE, || {
                    format!("timer {handle:#x} is free already")
                });
                return Err(stor_status::UNSUCCESSFUL);
            }
            self.with_timer(handle, |_| ())?;
            if let Err(error) = self.resources() {
                self.with_timer(handle, |timer| timer.kept = true)?;
                return Err(error);
            }
            let before = self.with_timer(handle, |timer| {
                timer.freed = true;
                (timer.active.take(), timer.running)
            })?;
            if let Some(id) = before.0 {
                self.violate(&rules::TIMER_FREED_ACTIVE, || {
                    format!("timer {handle:#x} is active")
                });
                self.engine.cancel(id);
            }
            if before.1 {
                self.violate(&rules::TIMER_FREED_RUNNING, || {
                    format!("the callback of timer {handle:#x} is running")
                });
            }
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortNotification(RequestTimerCall, HwDeviceExtension, HwStorTimer, MiniportTimerValue)`;
    /// microseconds. A new request replaces the old one.
    pub(super) fn request_timer_call(self: &Arc<Self>, arguments: Arguments) {
        let extension = arguments.pointer(1);
        let (callback, value) = (arguments.pointer(2), arguments.u32(3));
        if self.any_irql(extension).is_err() {
            return;
        }
        self.timers.table.lock().entry(ADAPTER_TIMER).or_default();
        let _ = self.cancel_timer(ADAPTER_TIMER);
        if value != 0
            && let Some(routine) = Routine::new(callback)
        {
            let delay = Duration::from_micros(u64::from(value));
            // Cancelled above: a request of another processor that came in between is as good.
            let _ = self.arm(ADAPTER_TIMER, delay, routine, &[extension]);
        }
    }

    fn arm(
        self: &Arc<Self>,
        handle: GuestAddress,
        delay: Duration,
        routine: Routine,
        arguments: &[u64],
    ) -> Result<(), u32> {
        let arguments = arguments.to_vec();
        let machine = Arc::clone(self);
        // The table stays locked until the id is in it: the clock may be faster than this thread.
        let mut table = self.timers.table.lock();
        let timer = table.get_mut(&handle).filter(|timer| !timer.freed);
        let timer = timer.ok_or(stor_status::INVALID_PARAMETER)?;
        if timer.active.is_some() {
            return Err(stor_status::BUSY);
        }
        timer.generation += 1;
        let generation = timer.generation;
        let job = Box::new(move || machine.fire(handle, generation, routine, &arguments));
        timer.active = Some(self.engine.after(delay, Context::processor(), job));
        Ok(())
    }

    fn fire(&self, handle: GuestAddress, generation: u64, routine: Routine, arguments: &[u64]) {
        {
            let mut table = self.timers.table.lock();
            match table.get_mut(&handle) {
                Some(timer) if timer.active.is_some() && timer.generation == generation => {
                    timer.active = None;
                    timer.running = true;
                }
                _ => return,
            }
        }
        if self.phase() != Phase::Removed {
            self.counters.timers_fired();
            let locks = self.timer_locks();
            let locks: Vec<&Arc<SpinLock>> = locks.iter().collect();
            self.call(Activity::Timer, Irql::DISPATCH, &locks, routine, arguments);
        }
        if let Some(timer) = self.timers.table.lock().get_mut(&handle) {
            timer.running = false;
        }
        self.engine.wake();
    }

    /// What Storport holds around `HwStorTimer`, `HwStorStateChange` and `HwStorResetBus`.
    pub(super) fn timer_locks(&self) -> Vec<Arc<SpinLock>> {
        let mut locks = vec![Arc::clone(&self.adapter.start_io)];
        if self.setup().half_duplex() {
            locks.push(Arc::clone(&self.adapter.interrupt));
        }
        locks
    }

    fn cancel_timer(&self, handle: GuestAddress) -> Result<(), u32> {
        if let Some(id) = self.with_timer(handle, |timer| timer.active.take())? {
            self.engine.cancel(id);
        }
        Ok(())
    }

    fn with_timer<R>(&self, handle: GuestAddress, act: impl FnOnce(&mut Timer) -> R) -> Result<R, u32> {
        let outcome = {
            let mut table = self.timers.table.lock();
            match table.get_mut(&handle) {
                Some(timer) if !timer.freed => Ok(act(timer)),
                Some(_) => Err("freed"),
                None => Err("unknown"),
            }
        };
        outcome.map_err(|what| {
            self.violate(&rules::STATUS_IGNORED_HANDLE, || {
                format!("timer handle {handle:#x} is {what}")
            });
            stor_status::INVALID_PARAMETER
        })
    }
}
