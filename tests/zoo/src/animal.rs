//! What an animal may do otherwise.

use wdk_sys::{
    HW_INITIALIZATION_DATA, PORT_CONFIGURATION_INFORMATION, PVOID, SCSI_ADAPTER_CONTROL_STATUS,
    SCSI_ADAPTER_CONTROL_TYPE, SCSI_REQUEST_BLOCK, STOR_DPC, ULONG,
};

use crate::{callbacks, ddi, disk};

/// A request in the form that the zoo's drivers take.
pub type Srb = *mut SCSI_REQUEST_BLOCK;

/// Requests that may be held at a time.
pub const HELD: usize = 16;
/// Bytes of a block.
pub const BLOCK: usize = 512;
/// Blocks of the disk.
pub const BLOCKS: usize = 256;

/// Offset of the lab's scratch device's bell: a message number written there is sent as an interrupt.
pub const BELL: usize = 0x800;

/// Offset of the register that sets the level of its interrupt line.
pub const LINE: usize = 0x804;

/// The device extension. Storport hands it out zeroed, and zeroes are valid.
#[repr(C)]
pub struct Adapter {
    /// BAR 0, if the device has one.
    pub registers: *mut u8,
    /// Requests that the disk keeps until it is told otherwise.
    pub held: [Srb; HELD],
    /// Free for the animal.
    pub dpc: STOR_DPC,
    /// Free for the animal.
    pub timer: PVOID,
    /// Free for the animal.
    pub worker: PVOID,
    /// Free for the animal.
    pub memory: PVOID,
    /// Free for the animal.
    pub words: [u64; 8],
    /// The trick has been done.
    pub tricked: bool,
    /// The disk.
    pub blocks: [u8; BLOCK * BLOCKS],
}

/// A miniport that does everything right, but for what its animal overrides.
pub trait Animal: Sized {
    /// Bytes of the SRB extension.
    const SRB_EXTENSION: u32 = 64;

    /// Last before `StorPortInitialize`.
    unsafe fn register(_data: &mut HW_INITIALIZATION_DATA) {}

    /// First in `HwStorFindAdapter`.
    unsafe fn find(_adapter: *mut Adapter, _configuration: &mut PORT_CONFIGURATION_INFORMATION) {}

    /// Last in `HwStorFindAdapter`.
    unsafe fn found(_adapter: *mut Adapter, _configuration: &mut PORT_CONFIGURATION_INFORMATION) {}

    /// `HwStorInitialize`.
    unsafe fn initialize(_adapter: *mut Adapter) -> bool {
        true
    }

    /// `HwStorPassiveInitialize`.
    unsafe fn passive_initialize(_adapter: *mut Adapter) -> bool {
        true
    }

    /// `HwStorBuildIo`.
    unsafe fn build_io(_adapter: *mut Adapter, _srb: Srb) -> bool {
        true
    }

    /// `HwStorStartIo`.
    unsafe fn start_io(adapter: *mut Adapter, srb: Srb) -> bool {
        disk::start::<Self>(adapter, srb);
        true
    }

    /// In `HwStorStartIo` for the first TEST UNIT READY of a life, before it is completed: at DISPATCH_LEVEL, under the
    /// StartIo lock.
    unsafe fn trick(_adapter: *mut Adapter, _srb: Srb) {}

    /// Gives a request back whose status is set.
    unsafe fn complete(adapter: *mut Adapter, srb: Srb) {
        ddi::complete(adapter, srb);
    }

    /// A reset of the unit, the target or the bus: gives back what the disk holds.
    unsafe fn reset(adapter: *mut Adapter) -> bool {
        disk::release::<Self>(adapter, disk::status::BUS_RESET);
        true
    }

    /// `HwStorResetBus`.
    unsafe fn reset_bus(adapter: *mut Adapter, _path: ULONG) -> bool {
        Self::reset(adapter)
    }

    /// The routine of the interrupt messages: none is sent unless the animal rings the bell.
    unsafe fn message(_adapter: *mut Adapter, _message: ULONG) -> bool {
        true
    }

    /// `HwStorAdapterControl`.
    unsafe fn control(
        adapter: *mut Adapter,
        kind: SCSI_ADAPTER_CONTROL_TYPE,
        parameters: PVOID,
    ) -> SCSI_ADAPTER_CONTROL_STATUS {
        callbacks::control::<Self>(adapter, kind, parameters)
    }

    /// The adapter's own PNP request of removal, before it is completed: what was allocated is freed here.
    unsafe fn remove(_adapter: *mut Adapter) {}
}
