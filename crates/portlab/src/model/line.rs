//! Line interrupts (INTx): a level, not a message.
//!
//! While the line is up its processor is in `HwStorInterrupt`, at the device's IRQL under the interrupt lock. The routine
//! returns TRUE for its device's interrupt and FALSE for another's on the same line; nobody else is on the lab's line, so
//! that FALSE while it is up would be repeated for ever on a real machine.
//!
//! Sources: Microsoft Learn, `HW_INTERRUPT`; PCI Local Bus 3.0, 2.2.6.

use std::sync::Arc;

use super::{activity::Activity, adapter::Phase, error::StartError, machine::Machine, rules};
use crate::{
    abi::entry::{Routine, boolean},
    device::DeviceError,
    engine::Irql,
};

/// What the engine knows the line as: no message has this number.
const LINE: u16 = u16::MAX;
/// The processor that line interrupts go to.
const TARGET: u32 = 0;
/// How often in a row the routine may refuse a line that is up: what another processor acknowledged may rise again.
const MOST_REFUSED: u32 = 16;
/// How often in a row the routine may leave the line up: more than a device has requests to interrupt for.
const MOST_CALLS: u32 = 4096;

impl Machine {
    /// Connects the line.
    pub(super) fn connect_line(self: &Arc<Self>) -> Result<(), StartError> {
        // The device outlives this life of the driver: it must not keep the machine.
        let machine = Arc::downgrade(self);
        let sink = Arc::new(move || {
            if let Some(machine) = machine.upgrade() {
                machine.engine.interrupt(TARGET, LINE);
            }
        });
        match self.options.device.enable_line(sink) {
            Err(DeviceError::Unsupported(what)) => {
                self.not_modelled(what);
                Ok(())
            }
            result => result.map_err(StartError::Device),
        }
    }

    /// Disconnects messages and line.
    pub(super) fn disconnect(&self) {
        self.options.device.disable_messages();
        if self.setup().line {
            self.options.device.disable_line();
        }
    }

    /// A message, or the line, interrupts this processor.
    pub(super) fn interrupted(&self, message: u16) {
        if message == LINE {
            self.deliver_line();
        } else {
            self.deliver(message);
        }
    }

    /// Calls `HwStorInterrupt` until the line is down.
    fn deliver_line(&self) {
        let setup = self.setup();
        let device = &self.options.device;
        let Some(routine) = Routine::new(setup.registration.hw_interrupt) else {
            return;
        };
        if !setup.line || self.phase() == Phase::Removed {
            return;
        }
        let lock = Arc::clone(&self.adapter.interrupt);
        let mut refused = 0;
        for _ in 0..MOST_CALLS {
            if !device.line_asserted() {
                return;
            }
            self.counters.interrupts();
            let result = self.call(
                Activity::LineInterrupt,
                Irql::DEVICE,
                &[&lock],
                routine,
                &[setup.extension],
            );
            // The system is down.
            let Some(rax) = result else { return };
            if boolean(rax) {
                refused = 0;
                continue;
            }
            self.counters.unclaimed_interrupts();
            refused += 1;
            if refused == MOST_REFUSED {
                break;
            }
        }
        self.violate(&rules::INTERRUPT_STORM, || {
            if refused == 0 {
                format!("the line is up after {MOST_CALLS} calls that returned TRUE")
            } else {
                format!("the routine returned FALSE {refused} times while the line was up")
            }
        });
        device.disable_line();
    }
}
