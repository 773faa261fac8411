//! Registration, and what Storport calls.

use core::{ffi::c_void, ptr};

use wdk_sys::{
    _DMA_WIDTH, _INTERFACE_TYPE, _INTERRUPT_SYNCHRONIZATION_MODE,
    _SCSI_ADAPTER_CONTROL_STATUS as ControlStatus, _SCSI_ADAPTER_CONTROL_TYPE as ControlType,
    _SCSI_NOTIFICATION_TYPE as Notify, _STOR_SYNCHRONIZATION_MODEL, ACCESS_RANGE, BOOLEAN,
    HW_INITIALIZATION_DATA, LONG, PCHAR, PHW_PASSIVE_INITIALIZE_ROUTINE, PORT_CONFIGURATION_INFORMATION,
    PPORT_CONFIGURATION_INFORMATION, PSCSI_REQUEST_BLOCK, PVOID, SCSI_ADAPTER_CONTROL_STATUS,
    SCSI_ADAPTER_CONTROL_TYPE, SCSI_SUPPORTED_CONTROL_TYPE_LIST, ULONG,
    storage::{StorPortGetDeviceBase, StorPortInitialize, StorPortNotification},
};

use crate::{
    animal::{Adapter, Animal},
    disk,
};

const FOUND: ULONG = 1;
const BAD_CONFIG: ULONG = 3;
const STATUS_INVALID_PARAMETER: i32 = 0xC000_000D_u32.cast_signed();
/// `STOR_MAP_ALL_BUFFERS_INCLUDING_READ_WRITE`.
const MAP_ALL: u8 = 3;
/// Bytes of the largest transfer.
const MAX_TRANSFER: ULONG = 64 << 10;

pub unsafe fn driver_entry<A: Animal>(driver: *mut c_void, path: *mut c_void) -> i32 {
    if driver.is_null() || path.is_null() {
        return STATUS_INVALID_PARAMETER;
    }
    #[allow(clippy::cast_possible_truncation)]
    let mut data = HW_INITIALIZATION_DATA {
        HwInitializationDataSize: size_of::<HW_INITIALIZATION_DATA>() as ULONG,
        AdapterInterfaceType: _INTERFACE_TYPE::PCIBus,
        HwInitialize: Some(initialize::<A>),
        HwStartIo: Some(start_io::<A>),
        HwFindAdapter: find_adapter::<A> as *mut c_void,
        HwResetBus: Some(reset_bus::<A>),
        HwAdapterControl: Some(adapter_control::<A>),
        HwBuildIo: Some(build_io::<A>),
        DeviceExtensionSize: size_of::<Adapter>() as ULONG,
        SrbExtensionSize: A::SRB_EXTENSION,
        NumberOfAccessRanges: 6,
        MapBuffers: MAP_ALL,
        NeedPhysicalAddresses: 1,
        TaggedQueuing: 1,
        AutoRequestSense: 1,
        MultipleRequestPerLu: 1,
        ..Default::default()
    };
    A::register(&mut data);
    StorPortInitialize(driver, path, &raw mut data, ptr::null_mut()).cast_signed()
}

unsafe extern "C" fn find_adapter<A: Animal>(
    extension: PVOID,
    _context: PVOID,
    _bus: PVOID,
    _arguments: PCHAR,
    configuration: PPORT_CONFIGURATION_INFORMATION,
    _again: *mut BOOLEAN,
) -> ULONG {
    let adapter = extension.cast::<Adapter>();
    let configuration = &mut *configuration;
    if configuration.DumpMode != 0 || configuration.NumberOfAccessRanges == 0 {
        return BAD_CONFIG;
    }
    A::find(adapter, configuration);
    let range = configuration.AccessRanges.cast::<ACCESS_RANGE>().read();
    (*adapter).registers = StorPortGetDeviceBase(
        extension,
        configuration.AdapterInterfaceType,
        configuration.SystemIoBusNumber,
        range.RangeStart,
        range.RangeLength,
        0,
    )
    .cast();
    if (*adapter).registers.is_null() {
        return BAD_CONFIG;
    }
    fill::<A>(configuration);
    A::found(adapter, configuration);
    FOUND
}

fn fill<A: Animal>(configuration: &mut PORT_CONFIGURATION_INFORMATION) {
    configuration.DmaWidth = _DMA_WIDTH::Width32Bits;
    configuration.Dma32BitAddresses = 1;
    configuration.Dma64BitAddresses = 2;
    configuration.Master = 1;
    configuration.ScatterGather = 1;
    configuration.NeedPhysicalAddresses = 1;
    configuration.TaggedQueuing = 1;
    configuration.AutoRequestSense = 1;
    configuration.MultipleRequestPerLu = 1;
    configuration.MapBuffers = MAP_ALL;
    configuration.WmiDataProvider = 0;
    configuration.ResetTargetSupported = 1;
    configuration.SynchronizationModel = _STOR_SYNCHRONIZATION_MODEL::StorSynchronizeFullDuplex;
    configuration.HwMSInterruptRoutine = Some(message::<A>);
    configuration.InterruptSynchronizationMode = _INTERRUPT_SYNCHRONIZATION_MODE::InterruptSynchronizeAll;
    configuration.NumberOfBuses = 1;
    configuration.MaximumNumberOfTargets = 1;
    configuration.MaximumNumberOfLogicalUnits = 1;
    configuration.MaximumTransferLength = MAX_TRANSFER;
    configuration.NumberOfPhysicalBreaks = MAX_TRANSFER / 4096 + 1;
    configuration.AlignmentMask = 3;
}

unsafe extern "C" fn initialize<A: Animal>(extension: PVOID) -> BOOLEAN {
    let mut enabled: LONG = 0;
    let routine: PHW_PASSIVE_INITIALIZE_ROUTINE = Some(passive_initialize::<A>);
    StorPortNotification(
        Notify::EnablePassiveInitialization,
        extension,
        routine,
        &raw mut enabled,
    );
    u8::from(enabled != 0 && A::initialize(extension.cast()))
}

unsafe extern "C" fn passive_initialize<A: Animal>(extension: PVOID) -> BOOLEAN {
    u8::from(A::passive_initialize(extension.cast()))
}

unsafe extern "C" fn build_io<A: Animal>(extension: PVOID, srb: PSCSI_REQUEST_BLOCK) -> BOOLEAN {
    u8::from(A::build_io(extension.cast(), srb))
}

unsafe extern "C" fn start_io<A: Animal>(extension: PVOID, srb: PSCSI_REQUEST_BLOCK) -> BOOLEAN {
    u8::from(A::start_io(extension.cast(), srb))
}

unsafe extern "C" fn reset_bus<A: Animal>(extension: PVOID, path: ULONG) -> BOOLEAN {
    u8::from(A::reset_bus(extension.cast(), path))
}

/// The routine of the interrupt messages.
pub unsafe extern "C" fn message<A: Animal>(extension: PVOID, message: ULONG) -> BOOLEAN {
    u8::from(A::message(extension.cast(), message))
}

unsafe extern "C" fn adapter_control<A: Animal>(
    extension: PVOID,
    kind: SCSI_ADAPTER_CONTROL_TYPE,
    parameters: PVOID,
) -> SCSI_ADAPTER_CONTROL_STATUS {
    A::control(extension.cast(), kind, parameters)
}

/// What a right driver answers: it can be stopped and restarted, and needs nothing done for that.
pub unsafe fn control<A: Animal>(
    adapter: *mut Adapter,
    kind: SCSI_ADAPTER_CONTROL_TYPE,
    parameters: PVOID,
) -> SCSI_ADAPTER_CONTROL_STATUS {
    match kind {
        ControlType::ScsiQuerySupportedControlTypes => {
            let list = parameters.cast::<SCSI_SUPPORTED_CONTROL_TYPE_LIST>();
            let entries = (&raw mut (*list).SupportedTypeList).cast::<BOOLEAN>();
            for kind in [
                ControlType::ScsiQuerySupportedControlTypes,
                ControlType::ScsiStopAdapter,
                ControlType::ScsiRestartAdapter,
            ] {
                if (kind as u32) < (*list).MaxControlType {
                    entries.add(kind as usize).write(1);
                }
            }
            ControlStatus::ScsiAdapterControlSuccess
        }
        ControlType::ScsiStopAdapter => {
            disk::release::<A>(adapter, disk::status::NO_DEVICE);
            ControlStatus::ScsiAdapterControlSuccess
        }
        ControlType::ScsiRestartAdapter => ControlStatus::ScsiAdapterControlSuccess,
        _ => ControlStatus::ScsiAdapterControlUnsuccessful,
    }
}
