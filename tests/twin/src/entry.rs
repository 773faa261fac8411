//! Registration, start, stop: not measured.

use core::{ffi::c_void, ptr, sync::atomic::Ordering};

use nvme_core::{
    Micros,
    control::{ControlConfig, QueuePair, Request},
};
use wdk_sys::{
    _DMA_WIDTH, _INTERFACE_TYPE, _INTERRUPT_SYNCHRONIZATION_MODE, _SCSI_ADAPTER_CONTROL_STATUS,
    _SCSI_ADAPTER_CONTROL_TYPE, _SCSI_NOTIFICATION_TYPE as Notify, _STOR_SYNCHRONIZATION_MODEL,
    _STORPORT_FUNCTION_CODE as Function, ACCESS_RANGE, BOOLEAN, HW_INITIALIZATION_DATA, LONG,
    MESSAGE_INTERRUPT_INFORMATION, PCHAR, PPORT_CONFIGURATION_INFORMATION, PVOID,
    SCSI_ADAPTER_CONTROL_STATUS, SCSI_ADAPTER_CONTROL_TYPE, SCSI_SUPPORTED_CONTROL_TYPE_LIST, ULONG,
    storage::{
        StorPortExtendedFunction, StorPortGetDeviceBase, StorPortGetPhysicalAddress,
        StorPortGetUncachedExtension, StorPortInitialize, StorPortNotification,
    },
};

use crate::{
    adapter::{ADMIN_ENTRIES, Adapter, IO_ENTRIES, PAGE, PAGES, READY, RECOVERING},
    control::{self, LOST},
    io,
    srb::{self, Srb},
};

/// Logical units of the one target.
pub const MAX_UNITS: u8 = 64;

const FOUND: ULONG = 1;
const ERROR: ULONG = 2;
const BAD_CONFIG: ULONG = 3;
const STATUS_INVALID_PARAMETER: i32 = 0xC000_000D_u32.cast_signed();
/// `STOR_FEATURE_FULL_PNP_DEVICE_CAPABILITIES`, `STOR_FEATURE_ADAPTER_NOT_REQUIRE_IO_PORT`.
const FEATURES: u32 = 0x4 | 0x200;
const PNP_REMOVE: i64 = 2;

#[unsafe(export_name = "DriverEntry")]
pub unsafe extern "system" fn driver_entry(driver: *mut c_void, path: *mut c_void) -> i32 {
    if driver.is_null() || path.is_null() {
        return STATUS_INVALID_PARAMETER;
    }
    #[allow(clippy::cast_possible_truncation)]
    let mut data = HW_INITIALIZATION_DATA {
        HwInitializationDataSize: size_of::<HW_INITIALIZATION_DATA>() as ULONG,
        AdapterInterfaceType: _INTERFACE_TYPE::PCIBus,
        HwInitialize: Some(initialize),
        HwStartIo: Some(io::start_io),
        HwFindAdapter: find_adapter as *mut c_void,
        HwResetBus: Some(reset_bus),
        HwAdapterControl: Some(adapter_control),
        HwBuildIo: Some(io::build_io),
        DeviceExtensionSize: size_of::<Adapter>() as ULONG,
        SrbExtensionSize: size_of::<io::Extension>() as ULONG,
        NumberOfAccessRanges: 6,
        MapBuffers: 2,
        NeedPhysicalAddresses: 1,
        TaggedQueuing: 1,
        AutoRequestSense: 1,
        MultipleRequestPerLu: 1,
        FeatureSupport: FEATURES,
        SrbTypeFlags: 2,
        AddressTypeFlags: 1,
        ..Default::default()
    };
    StorPortInitialize(driver, path, &raw mut data, ptr::null_mut()).cast_signed()
}

unsafe extern "C" fn find_adapter(
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
    fill(configuration);
    let base = StorPortGetUncachedExtension(
        extension,
        ptr::from_mut(configuration),
        ((PAGES + 1) * PAGE) as ULONG,
    );
    if base.is_null() {
        return ERROR;
    }
    let mut contiguous = 0;
    let address = StorPortGetPhysicalAddress(extension, ptr::null_mut(), base, &raw mut contiguous);
    let address = address.QuadPart.cast_unsigned();
    let skip = address.wrapping_neg() & (PAGE as u64 - 1);
    (*adapter).memory = base.cast::<u8>().add(skip as usize);
    (*adapter).bus_address = address + skip;
    (*adapter).memory.write_bytes(0, PAGES * PAGE);

    let registers = (*adapter).registers;
    let capabilities = nvme::Capabilities::from_bits(registers.cast::<u64>().read_volatile());
    let doorbell = |id, kind| {
        registers
            .add(capabilities.doorbell_offset(id, kind) as usize)
            .cast::<u32>()
    };
    let pair = |id| {
        [
            doorbell(id, nvme::Doorbell::SubmissionTail),
            doorbell(id, nvme::Doorbell::CompletionHead),
        ]
    };
    (*adapter).admin_doorbells = pair(0);
    (*adapter).io_doorbells = pair(io::QUEUE);
    let first = (*adapter).bus_address;
    let bus = |index: u64| first + index * PAGE as u64;
    (*adapter).pairs = [QueuePair {
        submission_queue: bus(3),
        completion_queue: bus(7),
        entries: IO_ENTRIES,
        interrupt_vector: 0,
    }];
    let config = ControlConfig {
        admin_submission_queue: bus(0),
        admin_completion_queue: bus(1),
        data_page: bus(2),
        // Registers alone, as a twin of what is measured.
        shadow_doorbells: 0,
        event_indices: 0,
        register_bytes: u64::from(range.RangeLength),
        admin_entries: ADMIN_ENTRIES,
    };
    if (*adapter).machine.configure(config).is_err()
        || control::run(adapter, Request::Identify, Micros::from_secs(140), LOST).is_err()
    {
        return ERROR;
    }
    let info = (*adapter).machine.info();
    configuration.MaximumTransferLength = io::MAX_TRANSFER.min(info.max_transfer_bytes);
    configuration.CachesData = u8::from(info.write_cache_present);
    FOUND
}

fn fill(configuration: &mut wdk_sys::PORT_CONFIGURATION_INFORMATION) {
    configuration.DmaWidth = _DMA_WIDTH::Width32Bits;
    configuration.Dma32BitAddresses = 1;
    configuration.Master = 1;
    configuration.ScatterGather = 1;
    configuration.NeedPhysicalAddresses = 1;
    configuration.TaggedQueuing = 1;
    configuration.AutoRequestSense = 1;
    configuration.MultipleRequestPerLu = 1;
    configuration.WmiDataProvider = 0;
    configuration.MapBuffers = 2;
    configuration.Dma64BitAddresses = 2;
    configuration.SynchronizationModel = _STOR_SYNCHRONIZATION_MODEL::StorSynchronizeFullDuplex;
    configuration.HwMSInterruptRoutine = Some(io::message_interrupt);
    configuration.InterruptSynchronizationMode =
        _INTERRUPT_SYNCHRONIZATION_MODE::InterruptSynchronizePerMessage;
    configuration.NumberOfBuses = 1;
    configuration.MaximumTransferLength = io::MAX_TRANSFER;
    configuration.NumberOfPhysicalBreaks = io::MAX_TRANSFER / 4096 + 1;
    configuration.AlignmentMask = 3;
    configuration.MaximumNumberOfTargets = 1;
    configuration.MaximumNumberOfLogicalUnits = MAX_UNITS;
    configuration.MaxNumberOfIO = u32::from(IO_ENTRIES) - 1;
    configuration.MaxIOsPerLun = u32::from(IO_ENTRIES) - 1;
    configuration.InitialLunQueueDepth = u32::from(IO_ENTRIES) - 1;
}

unsafe extern "C" fn initialize(extension: PVOID) -> BOOLEAN {
    let adapter = extension.cast::<Adapter>();
    (*adapter).messages = 0;
    for message in 0..2_u32 {
        let mut information = MESSAGE_INTERRUPT_INFORMATION::default();
        let status = StorPortExtendedFunction(
            Function::ExtFunctionGetMessageInterruptInformation,
            extension,
            message,
            &raw mut information,
        );
        if status == 0 {
            (*adapter).messages = message + 1;
        }
    }
    let mut succeeded: LONG = 0;
    let routine: wdk_sys::PHW_PASSIVE_INITIALIZE_ROUTINE = Some(passive_initialize);
    StorPortNotification(
        Notify::EnablePassiveInitialization,
        extension,
        routine,
        &raw mut succeeded,
    );
    u8::from(succeeded != 0 && (*adapter).messages != 0)
}

unsafe extern "C" fn passive_initialize(extension: PVOID) -> BOOLEAN {
    let adapter = extension.cast::<Adapter>();
    let routine: wdk_sys::PHW_DPC_ROUTINE = Some(io::dpc);
    StorPortNotification(Notify::InitializeDpc, extension, &raw mut (*adapter).dpc, routine);
    (*adapter).pairs[0].interrupt_vector = u16::from((*adapter).messages > 1);
    let request = Request::Queues { pairs: 1 };
    u8::from(control::run(adapter, request, Micros::from_secs(60), LOST).is_ok())
}

/// Under the StartIo lock: stops the controller, completes what it had, and brings it up again.
pub unsafe fn reset(adapter: *mut Adapter) -> bool {
    (*adapter).state.store(RECOVERING, Ordering::Release);
    (*adapter).io.close();
    control::run(adapter, Request::Stop, Micros::from_millis(350), LOST).is_ok()
        && control::run(
            adapter,
            Request::Restart { pairs: 1 },
            Micros::from_secs(10),
            LOST,
        )
        .is_ok()
        && (*adapter).state.load(Ordering::Acquire) == READY
}

unsafe extern "C" fn reset_bus(extension: PVOID, _path: ULONG) -> BOOLEAN {
    u8::from(reset(extension.cast()))
}

unsafe fn stop(adapter: *mut Adapter) {
    (*adapter).state.store(RECOVERING, Ordering::Release);
    (*adapter).io.close();
    let _ = control::run(
        adapter,
        Request::Stop,
        Micros::from_millis(350),
        srb::STATUS_NO_DEVICE,
    );
}

pub unsafe fn pnp(adapter: *mut Adapter, srb: Srb) {
    let data = srb::pnp(srb);
    // The adapter's own request, not a unit's.
    if !data.is_null() && i64::from((*data).PnPAction) == PNP_REMOVE && (*data).SrbPnPFlags & 1 != 0 {
        stop(adapter);
    }
    srb::set_success(srb, 0);
    io::complete(adapter.cast(), srb);
}

unsafe extern "C" fn adapter_control(
    extension: PVOID,
    kind: SCSI_ADAPTER_CONTROL_TYPE,
    parameters: PVOID,
) -> SCSI_ADAPTER_CONTROL_STATUS {
    use _SCSI_ADAPTER_CONTROL_TYPE as Kind;
    let adapter = extension.cast::<Adapter>();
    match kind {
        Kind::ScsiQuerySupportedControlTypes => {
            let list = parameters.cast::<SCSI_SUPPORTED_CONTROL_TYPE_LIST>();
            let entries = (&raw mut (*list).SupportedTypeList).cast::<BOOLEAN>();
            for kind in [
                Kind::ScsiQuerySupportedControlTypes,
                Kind::ScsiStopAdapter,
                Kind::ScsiRestartAdapter,
            ] {
                if (kind as u32) < (*list).MaxControlType {
                    entries.add(kind as usize).write(1);
                }
            }
        }
        Kind::ScsiStopAdapter => stop(adapter),
        Kind::ScsiRestartAdapter => {
            let restarted = control::run(
                adapter,
                Request::Restart { pairs: 1 },
                Micros::from_secs(10),
                LOST,
            );
            if restarted.is_err() {
                return _SCSI_ADAPTER_CONTROL_STATUS::ScsiAdapterControlUnsuccessful;
            }
        }
        _ => return _SCSI_ADAPTER_CONTROL_STATUS::ScsiAdapterControlUnsuccessful,
    }
    _SCSI_ADAPTER_CONTROL_STATUS::ScsiAdapterControlSuccess
}
