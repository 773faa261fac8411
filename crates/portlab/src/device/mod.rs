//! What the lab knows of a controller: configuration space, BARs, DMA memory, interrupt vectors.
//!
//! Every back-end (QEMU, in-process models, later VFIO) stands behind [`Device`]; the model of the port
//! driver knows nothing else of the hardware.

pub mod image;
pub mod in_process;
mod powered;
pub mod qemu;
pub mod scratch;
pub mod spec;

use std::{os::fd::OwnedFd, sync::Arc, time::Duration};

pub use self::powered::{OpenError, Powered, open, open_movable};
use crate::observe::DeviceSink;

/// Width of one register access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Width {
    /// 8 bits.
    Byte,
    /// 16 bits.
    Word,
    /// 32 bits.
    Dword,
    /// 64 bits.
    Qword,
}

impl Width {
    /// The width in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Byte => 1,
            Self::Word => 2,
            Self::Dword => 4,
            Self::Qword => 8,
        }
    }
}

/// One BAR as the firmware assigned it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// BAR number, 0 to 5.
    pub index: u8,
    /// Bus address.
    pub address: u64,
    /// Length in bytes.
    pub length: u64,
}

/// Memory that the device can reach: a memfd shared with it.
#[derive(Debug)]
pub struct DmaRegion {
    /// The memfd; the lab maps pieces of it wherever it likes.
    pub memory: OwnedFd,
    /// Offset in `memory` of the first byte the lab may use.
    pub offset: u64,
    /// Device (bus) address of the byte at `offset`.
    pub device_address: u64,
    /// Number of bytes the lab may use.
    pub length: u64,
}

/// Receives interrupt messages; called on a thread of the back-end, so it only marks and wakes.
pub type InterruptSink = Arc<dyn Fn(u16) + Send + Sync>;

/// Told that the interrupt line rises; called on a thread of the back-end, so it only marks and wakes.
pub type LineSink = Arc<dyn Fn() + Send + Sync>;

/// Told of a device's accesses to memory, on whichever thread moves the device, before they are made.
pub trait DmaWatch: Send + Sync {
    /// The device reads or writes so many bytes from a device address on.
    fn accessed(&self, address: u64, length: usize, write: bool);
}

/// Why a device cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The device or its emulator is gone.
    #[error("the device is gone: {0}")]
    Gone(String),
    /// The device has no such facility.
    #[error("the device has no {0}")]
    Unsupported(&'static str),
    /// The back-end refused.
    #[error("the device refused: {0}")]
    Refused(String),
    /// The back-end's transport failed.
    #[error("device transport: {0}")]
    Io(#[from] std::io::Error),
}

/// A PCI function on the lab's bench.
///
/// All methods may be called from any thread. Register writes may be posted; a read first drains the writes
/// posted before it by any thread. A device that is gone reads as all ones and swallows writes, as a PCI
/// function does; [`Device::alive`] tells.
pub trait Device: Send + Sync {
    /// How the command line named it, for reports (`qemu:nvme,size=64M`).
    fn name(&self) -> &str;

    /// Reads configuration space; `offset..offset + buffer.len()` within 4 KiB.
    fn config_read(&self, offset: u16, buffer: &mut [u8]);

    /// Writes configuration space.
    fn config_write(&self, offset: u16, data: &[u8]);

    /// The memory BARs, assigned and enabled.
    fn bars(&self) -> &[Bar];

    /// The I/O BARs, assigned and enabled; their registers are read and written as those of memory BARs.
    fn ports(&self) -> &[Bar] {
        &[]
    }

    /// Reads a register; the result is zero-extended.
    fn read(&self, bar: u8, offset: u64, width: Width) -> u64;

    /// Writes a register; may be posted.
    fn write(&self, bar: u8, offset: u64, width: Width, value: u64);

    /// The memory the device can reach.
    fn dma(&self) -> &DmaRegion;

    /// Has `watch` told of each access that the device makes to that memory, in place of who was told before. `false` if the device
    /// cannot tell: it lives in an emulator.
    fn watch_dma(&self, watch: Arc<dyn DmaWatch>) -> bool {
        let _ = watch;
        false
    }

    /// Number of interrupt messages (MSI-X or MSI) the function offers.
    fn message_count(&self) -> u16;

    /// Programs and enables messages `0..count` and starts delivery to `sink`.
    ///
    /// # Errors
    /// If the function has fewer messages or the transport fails.
    fn enable_messages(&self, count: u16, sink: InterruptSink) -> Result<(), DeviceError>;

    /// Masks every message and stops delivery: no call to the sink happens after this returns.
    fn disable_messages(&self);

    /// Enables the interrupt line (INTx) and tells `sink` each time it rises, and at once if it is up.
    ///
    /// # Errors
    /// If the back-end does not see the line, or the transport fails.
    fn enable_line(&self, sink: LineSink) -> Result<(), DeviceError> {
        let _ = sink;
        Err(DeviceError::Unsupported("interrupt line that the lab could see"))
    }

    /// Disables the line: no call to its sink happens after this returns.
    fn disable_line(&self) {}

    /// The line's level, once the writes posted so far were carried out.
    fn line_asserted(&self) -> bool {
        false
    }

    /// Whether the function still answers.
    fn alive(&self) -> bool;

    /// Pulls the function out: it is gone from now on.
    ///
    /// # Errors
    /// If that cannot be done to this device.
    fn pull(&self) -> Result<(), DeviceError> {
        Err(DeviceError::Unsupported("way to be pulled out"))
    }

    /// Takes power from the function and gives it back (D3cold): its registers are as after a reset, and what was volatile
    /// is lost. Configuration space, which the bus driver restores, stays.
    ///
    /// # Errors
    /// If that cannot be done to this device: it then keeps its state, as in D3hot.
    fn cycle_power(&self) -> Result<(), DeviceError> {
        Err(DeviceError::Unsupported("power of its own"))
    }

    /// Has the device tell what it does from now on, or no more; a device that cannot tell does not.
    fn observe(&self, sink: Option<DeviceSink>) {
        drop(sink);
    }

    /// The device as something that the lab moves; `None` if it moves by itself.
    fn movable(self: Arc<Self>) -> Option<Arc<dyn Movable>> {
        None
    }
}

/// A device that moves only when told to, and then by the time it is told.
pub trait Movable: Send + Sync {
    /// Whether something was written to it since it moved.
    fn wants_to_move(&self) -> bool;

    /// Moves it at the time `now`; when it wants to be moved next, if by time.
    fn advance(&self, now: Duration) -> Option<Duration>;
}
