//! Resources that Plug and Play assigns, and assigns anew: bus addresses of BARs, the number of interrupt messages.
//!
//! A rebalance stops the adapter (`IRP_MN_QUERY_STOP_DEVICE`, `IRP_MN_STOP_DEVICE`: `ScsiStopAdapter`), takes its resources,
//! gives it others and starts it again: `HwStorFindAdapter` and `HwStorInitialize` on the extension as it is. Requests wait
//! meanwhile. What the port driver had mapped for the miniport is gone: "if the HBA was stopped for PnP resource
//! reconfiguration, the Storport driver releases resources on behalf of the miniport driver".
//!
//! Sources: Microsoft Learn, `SCSI_ADAPTER_CONTROL_TYPE` (`ScsiStopAdapter`), `HW_FIND_ADAPTER`, "Stopping a Device to
//! Rebalance Resources". That the extension is kept as it was is inferred.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use super::{error::StartError, lab::Lab, machine::Machine};
use crate::device::Bar;

/// What differs from what firmware assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Resources {
    /// Added to the bus address of each memory BAR: a multiple of 1 MiB, with which no BAR crosses 4 GiB.
    pub moved_by: u64,
    /// Interrupt messages at most; none is as many as there are.
    pub messages: Option<u16>,
}

/// The assignment of now.
#[derive(Debug)]
pub(super) struct Assignment {
    moved_by: AtomicU64,
    messages: AtomicU16,
}

impl Default for Assignment {
    fn default() -> Self {
        Self {
            moved_by: AtomicU64::new(0),
            messages: AtomicU16::new(u16::MAX),
        }
    }
}

impl Assignment {
    fn assign(&self, resources: Resources) {
        self.moved_by.store(resources.moved_by, Ordering::Release);
        let messages = resources.messages.unwrap_or(u16::MAX);
        self.messages.store(messages, Ordering::Release);
    }

    /// Messages that may be given.
    pub(super) fn messages(&self) -> u16 {
        self.messages.load(Ordering::Acquire)
    }

    /// A memory BAR where it is now.
    pub(super) fn bar(&self, bar: &Bar) -> Bar {
        Bar {
            address: bar.address + self.moved_by.load(Ordering::Acquire),
            ..*bar
        }
    }
}

/// Offset of the first BAR in configuration space, and how many there are.
const FIRST_BAR: usize = 0x10;

impl Machine {
    /// The memory BARs where they are now.
    pub(super) fn memory_bars(&self) -> Vec<Bar> {
        let bars = self.options.device.bars().iter();
        bars.map(|bar| self.assignment.bar(bar)).collect()
    }

    /// Shows the BARs where they are now in what was read of configuration space from offset 0 on.
    pub(super) fn show_bars(&self, configuration: &mut [u8]) {
        for bar in self.options.device.bars() {
            let at = FIRST_BAR + 4 * usize::from(bar.index);
            let Some(register) = configuration
                .get_mut(at..at + 4)
                .and_then(|bytes| <&mut [u8; 4]>::try_from(bytes).ok())
            else {
                continue;
            };
            let moved = self.assignment.bar(bar).address - bar.address;
            let value = u32::from_le_bytes(*register).wrapping_add(u32::try_from(moved).unwrap_or(0));
            *register = value.to_le_bytes();
        }
    }
}

impl Lab {
    /// Rebalances: stops the adapter, takes its resources and starts it with others. What is submitted meanwhile waits.
    ///
    /// # Errors
    /// If the adapter does not run, does not come to rest, refuses to stop, or does not start with these resources. It is
    /// stopped then.
    pub fn rebalance(&self, resources: Resources) -> Result<(), StartError> {
        self.stop()?;
        let machine = &self.machine;
        machine.disconnect();
        machine.windows.release();
        machine.assignment.assign(resources);
        self.find_again()
    }
}
