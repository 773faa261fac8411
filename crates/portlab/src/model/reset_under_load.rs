//! A bus reset that meets a request: it happens where `HwStorStartIo` has just returned.
//!
//! A reset that is asked for from outside comes to a processor when that has time for it, and a fast device is done with everything by then.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;

use super::{
    activity,
    lab::{Lab, Slot},
    machine::Machine,
    request::ResetOutcome,
};

/// What waits for the next request.
#[derive(Default)]
pub(super) struct ResetUnderLoad {
    armed: AtomicBool,
    reset: Mutex<Option<(u8, Slot<ResetOutcome>)>>,
}

impl Machine {
    /// `HwStorStartIo` has returned on this processor, and no lock is held: the reset, if one waits. One that met nothing, since the request was
    /// completed meanwhile, waits for the next.
    pub(super) fn reset_if_armed(self: &Arc<Self>) {
        let waiting = &self.reset_under_load;
        // Storport's own work that a call of the driver has led to is inside the driver.
        if activity::current().is_some() || !waiting.armed.swap(false, Ordering::AcqRel) {
            return;
        }
        let Some((path, slot)) = waiting.reset.lock().take() else {
            return;
        };
        let outcome = self.reset_bus_now(path);
        if outcome.success && outcome.completed + outcome.left_behind == 0 {
            self.arm_reset(path, slot);
        } else {
            slot.fill(outcome);
            self.engine.wake();
        }
    }

    fn arm_reset(&self, path: u8, slot: Slot<ResetOutcome>) {
        let waiting = &self.reset_under_load;
        *waiting.reset.lock() = Some((path, slot));
        waiting.armed.store(true, Ordering::Release);
    }
}

impl Lab {
    /// Resets a bus behind one of the requests that `issue` makes, which is in flight then; without such a request within `patience`, at once.
    pub fn reset_bus_under_load(
        &self,
        path: u8,
        patience: Duration,
        issue: &mut dyn FnMut(),
    ) -> ResetOutcome {
        let slot = Slot::default();
        self.machine.arm_reset(path, slot.clone());
        issue();
        if let Some(outcome) = slot.take(&*self.engine, patience) {
            return outcome;
        }
        let waiting = self.machine.reset_under_load.reset.lock().take();
        self.machine
            .reset_under_load
            .armed
            .store(false, Ordering::Release);
        if waiting.is_some() {
            return self.reset_bus(path);
        }
        // It has begun.
        slot.take(&*self.engine, super::lab::PATIENCE)
            .unwrap_or_else(|| self.reset_bus(path))
    }
}
