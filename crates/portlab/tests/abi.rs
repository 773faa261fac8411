//! The lab's own reading of the Storport structures, compared with figures taken from a real kit (10.0.16299).

use std::{collections::BTreeMap, mem::offset_of};

use portlab::abi::{
    codes::{function_name, notification, stor_status},
    configuration, control, performance, power, registration,
    srb::{self, flags, function, pnp_action, status},
    synchronization, transfer,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Kit {
    structures: BTreeMap<String, Layout>,
    constants: BTreeMap<String, i64>,
    enumerators: BTreeMap<String, BTreeMap<String, i64>>,
}

#[derive(Deserialize)]
struct Layout {
    size: usize,
    align: usize,
    offsets: BTreeMap<String, usize>,
}

fn kit() -> Kit {
    serde_json::from_str(include_str!("data/abi-10.0.16299.json")).expect("figures of the kit")
}

macro_rules! layout {
    ($kit:ident, $name:literal, $type:ty, whole, $fields:tt) => {
        assert_eq!(size_of::<$type>(), $kit.structures[$name].size, "size of {}", $name);
        assert_eq!(align_of::<$type>(), $kit.structures[$name].align, "alignment of {}", $name);
        layout!($kit, $name, $type, part, $fields);
    };
    ($kit:ident, $name:literal, $type:ty, part, { $( $field:literal => $ours:ident ),+ }) => {
        $( assert_eq!(
            offset_of!($type, $ours), $kit.structures[$name].offsets[$field], "{}.{}", $name, $field
        ); )+
    };
}

#[test]
fn structures_are_laid_out_as_in_the_kit() {
    let kit = kit();
    layout!(kit, "HW_INITIALIZATION_DATA", registration::HwInitializationData, whole, { "HwInitializationDataSize" => size, "AdapterInterfaceType" => adapter_interface_type, "HwInitialize" => hw_initialize, "HwStartIo" => hw_start_io, "HwInterrupt" => hw_interrupt, "HwFindAdapter" => hw_find_adapter, "HwResetBus" => hw_reset_bus, "HwDmaStarted" => hw_dma_started, "HwAdapterState" => hw_adapter_state, "DeviceExtensionSize" => device_extension_size, "SpecificLuExtensionSize" => specific_lu_extension_size, "SrbExtensionSize" => srb_extension_size, "NumberOfAccessRanges" => number_of_access_ranges, "Reserved" => reserved, "MapBuffers" => map_buffers, "NeedPhysicalAddresses" => need_physical_addresses, "TaggedQueuing" => tagged_queuing, "AutoRequestSense" => auto_request_sense, "MultipleRequestPerLu" => multiple_request_per_lu, "ReceiveEvent" => receive_event, "VendorIdLength" => vendor_id_length, "VendorId" => vendor_id, "DeviceIdLength" => device_id_length, "DeviceId" => device_id, "HwAdapterControl" => hw_adapter_control, "HwBuildIo" => hw_build_io, "HwFreeAdapterResources" => hw_free_adapter_resources, "HwProcessServiceRequest" => hw_process_service_request, "HwCompleteServiceIrp" => hw_complete_service_irp, "HwInitializeTracing" => hw_initialize_tracing, "HwCleanupTracing" => hw_cleanup_tracing, "HwTracingEnabled" => hw_tracing_enabled, "FeatureSupport" => feature_support, "SrbTypeFlags" => srb_type_flags, "AddressTypeFlags" => address_type_flags, "Reserved1" => reserved1, "HwUnitControl" => hw_unit_control });
    layout!(kit, "PORT_CONFIGURATION_INFORMATION", configuration::PortConfigurationInformation, whole, { "Length" => length, "SystemIoBusNumber" => system_io_bus_number, "AdapterInterfaceType" => adapter_interface_type, "BusInterruptLevel" => bus_interrupt_level, "BusInterruptVector" => bus_interrupt_vector, "InterruptMode" => interrupt_mode, "MaximumTransferLength" => maximum_transfer_length, "NumberOfPhysicalBreaks" => number_of_physical_breaks, "DmaChannel" => dma_channel, "DmaPort" => dma_port, "DmaWidth" => dma_width, "DmaSpeed" => dma_speed, "AlignmentMask" => alignment_mask, "NumberOfAccessRanges" => number_of_access_ranges, "AccessRanges" => access_ranges, "MiniportDumpData" => miniport_dump_data, "NumberOfBuses" => number_of_buses, "InitiatorBusId" => initiator_bus_id, "ScatterGather" => scatter_gather, "Master" => master, "CachesData" => caches_data, "AdapterScansDown" => adapter_scans_down, "AtdiskPrimaryClaimed" => atdisk_primary_claimed, "AtdiskSecondaryClaimed" => atdisk_secondary_claimed, "Dma32BitAddresses" => dma32_bit_addresses, "DemandMode" => demand_mode, "MapBuffers" => map_buffers, "NeedPhysicalAddresses" => need_physical_addresses, "TaggedQueuing" => tagged_queuing, "AutoRequestSense" => auto_request_sense, "MultipleRequestPerLu" => multiple_request_per_lu, "ReceiveEvent" => receive_event, "RealModeInitialized" => real_mode_initialized, "BufferAccessScsiPortControlled" => buffer_access_scsi_port_controlled, "MaximumNumberOfTargets" => maximum_number_of_targets, "SrbType" => srb_type, "AddressType" => address_type, "SlotNumber" => slot_number, "BusInterruptLevel2" => bus_interrupt_level2, "BusInterruptVector2" => bus_interrupt_vector2, "InterruptMode2" => interrupt_mode2, "DmaChannel2" => dma_channel2, "DmaPort2" => dma_port2, "DmaWidth2" => dma_width2, "DmaSpeed2" => dma_speed2, "DeviceExtensionSize" => device_extension_size, "SpecificLuExtensionSize" => specific_lu_extension_size, "SrbExtensionSize" => srb_extension_size, "Dma64BitAddresses" => dma64_bit_addresses, "ResetTargetSupported" => reset_target_supported, "MaximumNumberOfLogicalUnits" => maximum_number_of_logical_units, "WmiDataProvider" => wmi_data_provider, "SynchronizationModel" => synchronization_model, "HwMSInterruptRoutine" => hw_ms_interrupt_routine, "InterruptSynchronizationMode" => interrupt_synchronization_mode, "DumpRegion" => dump_region, "RequestedDumpBufferSize" => requested_dump_buffer_size, "VirtualDevice" => virtual_device, "DumpMode" => dump_mode, "ExtendedFlags1" => extended_flags1, "MaxNumberOfIO" => max_number_of_io, "MaxIOsPerLun" => max_ios_per_lun, "InitialLunQueueDepth" => initial_lun_queue_depth, "BusResetHoldTime" => bus_reset_hold_time, "FeatureSupport" => feature_support });
    layout!(kit, "ACCESS_RANGE", configuration::AccessRange, whole, { "RangeStart" => range_start, "RangeLength" => range_length, "RangeInMemory" => range_in_memory });
    layout!(kit, "MEMORY_REGION", configuration::MemoryRegion, whole, { "VirtualBase" => virtual_base, "PhysicalBase" => physical_base, "Length" => length });
    layout!(kit, "SCSI_REQUEST_BLOCK", srb::ScsiRequestBlock, whole, { "Length" => length, "Function" => function, "SrbStatus" => srb_status, "ScsiStatus" => scsi_status, "PathId" => path_id, "TargetId" => target_id, "Lun" => lun, "QueueTag" => queue_tag, "QueueAction" => queue_action, "CdbLength" => cdb_length, "SenseInfoBufferLength" => sense_info_buffer_length, "SrbFlags" => srb_flags, "DataTransferLength" => data_transfer_length, "TimeOutValue" => time_out_value, "DataBuffer" => data_buffer, "SenseInfoBuffer" => sense_info_buffer, "NextSrb" => next_srb, "OriginalRequest" => original_request, "SrbExtension" => srb_extension, "Reserved" => reserved, "Cdb" => cdb });
    layout!(kit, "STORAGE_REQUEST_BLOCK", srb::StorageRequestBlock, part, { "Length" => length, "Function" => function, "SrbStatus" => srb_status, "ReservedUchar" => reserved_uchar, "Signature" => signature, "Version" => version, "SrbLength" => srb_length, "SrbFunction" => srb_function, "SrbFlags" => srb_flags, "ReservedUlong" => reserved_ulong, "RequestTag" => request_tag, "RequestPriority" => request_priority, "RequestAttribute" => request_attribute, "TimeOutValue" => time_out_value, "SystemStatus" => system_status, "ZeroGuard1" => zero_guard1, "AddressOffset" => address_offset, "NumSrbExData" => num_srb_ex_data, "DataTransferLength" => data_transfer_length, "DataBuffer" => data_buffer, "ZeroGuard2" => zero_guard2, "OriginalRequest" => original_request, "ClassContext" => class_context, "PortContext" => port_context, "MiniportContext" => miniport_context, "NextSrb" => next_srb });
    layout!(kit, "SRBEX_DATA_SCSI_CDB16", srb::SrbexDataScsiCdb16, whole, { "Type" => kind, "Length" => length, "ScsiStatus" => scsi_status, "SenseInfoBufferLength" => sense_info_buffer_length, "CdbLength" => cdb_length, "Reserved" => reserved, "Reserved1" => reserved1, "SenseInfoBuffer" => sense_info_buffer, "Cdb" => cdb });
    layout!(kit, "SRBEX_DATA_SCSI_CDB32", srb::SrbexDataScsiCdb32, whole, { "Type" => kind, "Length" => length, "ScsiStatus" => scsi_status, "SenseInfoBufferLength" => sense_info_buffer_length, "CdbLength" => cdb_length, "Reserved" => reserved, "Reserved1" => reserved1, "SenseInfoBuffer" => sense_info_buffer, "Cdb" => cdb });
    layout!(kit, "SRBEX_DATA_POWER", srb::SrbexDataPower, whole, { "Type" => kind, "Length" => length, "SrbPowerFlags" => srb_power_flags, "Reserved" => reserved, "DevicePowerState" => device_power_state, "PowerAction" => power_action });
    layout!(kit, "SRBEX_DATA_PNP", srb::SrbexDataPnp, whole, { "Type" => kind, "Length" => length, "PnPSubFunction" => pnp_sub_function, "Reserved" => reserved, "PnPAction" => pnp_action, "SrbPnPFlags" => srb_pnp_flags, "Reserved1" => reserved1 });
    layout!(kit, "STOR_ADDR_BTL8", srb::StorAddrBtl8, whole, { "Type" => kind, "Port" => port, "AddressLength" => address_length, "Path" => path, "Target" => target, "Lun" => lun, "Reserved" => reserved });
    layout!(kit, "STOR_SCATTER_GATHER_ELEMENT", transfer::ScatterGatherElement, whole, { "PhysicalAddress" => physical_address, "Length" => length, "Reserved" => reserved });
    layout!(kit, "STOR_SCATTER_GATHER_LIST", transfer::ScatterGatherHeader, part, { "NumberOfElements" => number_of_elements, "Reserved" => reserved });
    layout!(kit, "STOR_LOCK_HANDLE", synchronization::StorLockHandle, whole, { "Lock" => lock, "Context" => queue });
    layout!(kit, "PERF_CONFIGURATION_DATA", performance::PerfConfigurationData, whole, { "Version" => version, "Size" => size, "Flags" => flags, "ConcurrentChannels" => concurrent_channels, "FirstRedirectionMessageNumber" => first_redirection_message_number, "LastRedirectionMessageNumber" => last_redirection_message_number, "DeviceNode" => device_node, "Reserved" => reserved, "MessageTargets" => message_targets });
    layout!(kit, "STARTIO_PERFORMANCE_PARAMETERS", performance::StartIoPerformanceParameters, whole, { "Version" => version, "Size" => size, "MessageNumber" => message_number, "ChannelNumber" => channel_number });
    layout!(kit, "MESSAGE_INTERRUPT_INFORMATION", performance::MessageInterruptInformation, whole, { "MessageId" => message_id, "MessageData" => message_data, "MessageAddress" => message_address, "InterruptVector" => interrupt_vector, "InterruptLevel" => interrupt_level, "InterruptMode" => interrupt_mode });
    layout!(kit, "GROUP_AFFINITY", performance::GroupAffinity, whole, { "Mask" => mask, "Group" => group, "Reserved" => reserved });
    layout!(kit, "PROCESSOR_NUMBER", performance::ProcessorNumber, whole, { "Group" => group, "Number" => number, "Reserved" => reserved });
    layout!(kit, "STOR_LOG_EVENT_DETAILS", performance::StorLogEventDetails, whole, { "InterfaceRevision" => interface_revision, "Size" => size, "Flags" => flags, "EventAssociation" => event_association, "PathId" => path_id, "TargetId" => target_id, "LunId" => lun_id, "StorportSpecificErrorCode" => storport_specific_error_code, "ErrorCode" => error_code, "UniqueId" => unique_id, "DumpDataSize" => dump_data_size, "DumpData" => dump_data, "StringCount" => string_count, "StringList" => string_list });
    layout!(kit, "STORPORT_TELEMETRY_EVENT", performance::TelemetryEventHead, part, { "DriverVersion" => driver_version, "EventId" => event_id, "EventName" => event_name, "EventVersion" => event_version, "Flags" => flags, "EventBufferLength" => event_buffer_length, "EventBuffer" => event_buffer });
    layout!(kit, "STOR_POFX_DEVICE", power::PofxDeviceHead, part, { "Version" => version, "Size" => size, "ComponentCount" => component_count, "Flags" => flags });
    layout!(kit, "STOR_POFX_DEVICE_V2", power::PofxDeviceHead, part, { "Version" => version, "Size" => size, "ComponentCount" => component_count, "Flags" => flags });
    layout!(kit, "STOR_POFX_DEVICE_V3", power::PofxDeviceHead, part, { "Version" => version, "Size" => size, "ComponentCount" => component_count, "Flags" => flags });
    layout!(kit, "STOR_POFX_COMPONENT", power::PofxComponent, part, { "Version" => version, "Size" => size, "FStateCount" => f_state_count, "DeepestWakeableFState" => deepest_wakeable_f_state, "Id" => id });
    layout!(kit, "STOR_POFX_COMPONENT_IDLE_STATE", power::PofxIdleState, whole, { "Version" => version, "Size" => size, "TransitionLatency" => transition_latency, "ResidencyRequirement" => residency_requirement, "NominalPower" => nominal_power });
    assert_eq!(
        power::DEVICE_HEADS.map(|head| usize::try_from(head).expect("an offset")),
        ["STOR_POFX_DEVICE", "STOR_POFX_DEVICE_V2", "STOR_POFX_DEVICE_V3"]
            .map(|name| kit.structures[name].offsets["Components"])
    );
    assert_eq!(
        size_of::<power::PofxComponent>(),
        kit.structures["STOR_POFX_COMPONENT"].offsets["FStates"]
    );
    layout!(kit, "SCSI_SUPPORTED_CONTROL_TYPE_LIST", control::SupportedControlTypeList, part, { "MaxControlType" => max_control_type });
    layout!(kit, "STOR_ADAPTER_CONTROL_POWER", control::AdapterControlPower, whole, { "Header" => header, "PowerAction" => power_action, "PowerState" => power_state });
    layout!(kit, "DPC_BUFFER", synchronization::StorDpc, part, { "Type" => kind, "Number" => number, "Importance" => importance, "DeferredRoutine" => deferred_routine, "DeferredContext" => deferred_context, "SystemArgument1" => system_argument1, "SystemArgument2" => system_argument2, "DpcData" => dpc_data });
    // What a fixed-size structure of ours cannot say of an array at its end.
    assert_eq!(
        srb::SRB_EX_DATA_OFFSETS,
        kit.structures["STORAGE_REQUEST_BLOCK"].offsets["SrbExDataOffset"]
    );
    assert_eq!(
        srb::STORAGE_REQUEST_BLOCK_SIZE,
        kit.structures["STORAGE_REQUEST_BLOCK"].size
    );
    assert_eq!(
        size_of::<transfer::ScatterGatherHeader>(),
        kit.structures["STOR_SCATTER_GATHER_LIST"].offsets["List"]
    );
    let list = &kit.structures["SCSI_SUPPORTED_CONTROL_TYPE_LIST"];
    assert_eq!(
        size_of::<control::SupportedControlTypeList>(),
        list.offsets["SupportedTypeList"]
    );
    assert_eq!(
        size_of::<synchronization::StorDpc>(),
        kit.structures["STOR_DPC"].size
    );
    assert_eq!(
        offset_of!(synchronization::StorDpc, lock),
        kit.structures["STOR_DPC"].offsets["Lock"]
    );
}

#[test]
fn pnp_and_power_overlay_the_legacy_srb() {
    let kit = kit();
    let at = |structure: &str, field: &str| kit.structures[structure].offsets[field];
    assert_eq!(
        offset_of!(srb::ScsiRequestBlock, queue_tag),
        at("SCSI_PNP_REQUEST_BLOCK", "PnPAction")
    );
    assert_eq!(
        offset_of!(srb::ScsiRequestBlock, internal_status),
        at("SCSI_PNP_REQUEST_BLOCK", "SrbPnPFlags")
    );
    assert_eq!(
        offset_of!(srb::ScsiRequestBlock, scsi_status),
        at("SCSI_POWER_REQUEST_BLOCK", "SrbPowerFlags")
    );
    assert_eq!(
        offset_of!(srb::ScsiRequestBlock, queue_tag),
        at("SCSI_POWER_REQUEST_BLOCK", "DevicePowerState")
    );
    assert_eq!(
        offset_of!(srb::ScsiRequestBlock, internal_status),
        at("SCSI_POWER_REQUEST_BLOCK", "PowerAction")
    );
}

macro_rules! constants {
    ($kit:ident, { $( $name:literal => $ours:expr ),+ $(,)? }) => {
        $( assert_eq!(i64::from($ours), $kit.constants[$name], "{}", $name); )+
    };
}

#[test]
fn constants_are_those_of_the_kit() {
    let kit = kit();
    constants!(kit, {
        "SRB_FUNCTION_EXECUTE_SCSI" => function::EXECUTE_SCSI,
        "SRB_FUNCTION_IO_CONTROL" => function::IO_CONTROL,
        "SRB_FUNCTION_SHUTDOWN" => function::SHUTDOWN,
        "SRB_FUNCTION_FLUSH" => function::FLUSH,
        "SRB_FUNCTION_ABORT_COMMAND" => function::ABORT_COMMAND,
        "SRB_FUNCTION_RESET_BUS" => function::RESET_BUS,
        "SRB_FUNCTION_RESET_DEVICE" => function::RESET_DEVICE,
        "SRB_FUNCTION_WMI" => function::WMI,
        "SRB_FUNCTION_RESET_LOGICAL_UNIT" => function::RESET_LOGICAL_UNIT,
        "SRB_FUNCTION_POWER" => function::POWER,
        "SRB_FUNCTION_PNP" => function::PNP,
        "SRB_FUNCTION_DUMP_POINTERS" => function::DUMP_POINTERS,
        "SRB_FUNCTION_FREE_DUMP_POINTERS" => function::FREE_DUMP_POINTERS,
        "SRB_FUNCTION_STORAGE_REQUEST_BLOCK" => function::STORAGE_REQUEST_BLOCK,
        "SRB_STATUS_PENDING" => status::PENDING,
        "SRB_STATUS_SUCCESS" => status::SUCCESS,
        "SRB_STATUS_ABORTED" => status::ABORTED,
        "SRB_STATUS_ABORT_FAILED" => status::ABORT_FAILED,
        "SRB_STATUS_ERROR" => status::ERROR,
        "SRB_STATUS_BUSY" => status::BUSY,
        "SRB_STATUS_INVALID_REQUEST" => status::INVALID_REQUEST,
        "SRB_STATUS_INVALID_PATH_ID" => status::INVALID_PATH_ID,
        "SRB_STATUS_NO_DEVICE" => status::NO_DEVICE,
        "SRB_STATUS_TIMEOUT" => status::TIMEOUT,
        "SRB_STATUS_SELECTION_TIMEOUT" => status::SELECTION_TIMEOUT,
        "SRB_STATUS_BUS_RESET" => status::BUS_RESET,
        "SRB_STATUS_NO_HBA" => status::NO_HBA,
        "SRB_STATUS_DATA_OVERRUN" => status::DATA_OVERRUN,
        "SRB_STATUS_BAD_FUNCTION" => status::BAD_FUNCTION,
        "SRB_STATUS_INTERNAL_ERROR" => status::INTERNAL_ERROR,
        "SRB_STATUS_QUEUE_FROZEN" => status::QUEUE_FROZEN,
        "SRB_STATUS_AUTOSENSE_VALID" => status::AUTOSENSE_VALID,
        "SRB_FLAGS_QUEUE_ACTION_ENABLE" => flags::QUEUE_ACTION_ENABLE,
        "SRB_FLAGS_DATA_IN" => flags::DATA_IN,
        "SRB_FLAGS_DATA_OUT" => flags::DATA_OUT,
        "SRB_FLAGS_NO_QUEUE_FREEZE" => flags::NO_QUEUE_FREEZE,
        "SRB_SIGNATURE" => srb::SRB_SIGNATURE,
        "SRB_SIMPLE_TAG_REQUEST" => srb::SRB_SIMPLE_TAG_REQUEST,
        "SRB_TYPE_SCSI_REQUEST_BLOCK" => srb::SRB_TYPE_SCSI_REQUEST_BLOCK,
        "SRB_TYPE_STORAGE_REQUEST_BLOCK" => srb::SRB_TYPE_STORAGE_REQUEST_BLOCK,
        "SRB_TYPE_FLAG_SCSI_REQUEST_BLOCK" => registration::SRB_TYPE_FLAG_SCSI_REQUEST_BLOCK,
        "SRB_TYPE_FLAG_STORAGE_REQUEST_BLOCK" => registration::SRB_TYPE_FLAG_STORAGE_REQUEST_BLOCK,
        "SRB_PNP_FLAGS_ADAPTER_REQUEST" => srb::SRB_PNP_FLAGS_ADAPTER_REQUEST,
        "SRB_POWER_FLAGS_ADAPTER_REQUEST" => srb::SRB_POWER_FLAGS_ADAPTER_REQUEST,
        "STOR_ADDRESS_TYPE_BTL8" => srb::STOR_ADDRESS_TYPE_BTL8,
        "STOR_FEATURE_VIRTUAL_MINIPORT" => registration::STOR_FEATURE_VIRTUAL_MINIPORT,
        "STOR_MAP_NO_BUFFERS" => configuration::STOR_MAP_NO_BUFFERS,
        "STOR_MAP_ALL_BUFFERS" => configuration::STOR_MAP_ALL_BUFFERS,
        "STOR_MAP_NON_READ_WRITE_BUFFERS" => configuration::STOR_MAP_NON_READ_WRITE_BUFFERS,
        "STOR_MAP_ALL_BUFFERS_INCLUDING_READ_WRITE" => configuration::STOR_MAP_ALL_BUFFERS_INCLUDING_READ_WRITE,
        "SCSI_DMA64_SYSTEM_SUPPORTED" => configuration::SCSI_DMA64_SYSTEM_SUPPORTED,
        "STOR_CURRENT_LOG_INTERFACE_REVISION" => performance::STOR_CURRENT_LOG_INTERFACE_REVISION,
        "STOR_PERF_DPC_REDIRECTION" => performance::perf::DPC_REDIRECTION,
        "STOR_PERF_CONCURRENT_CHANNELS" => performance::perf::CONCURRENT_CHANNELS,
        "STOR_PERF_INTERRUPT_MESSAGE_RANGES" => performance::perf::INTERRUPT_MESSAGE_RANGES,
        "STOR_PERF_ADV_CONFIG_LOCALITY" => performance::perf::ADV_CONFIG_LOCALITY,
        "STOR_PERF_OPTIMIZE_FOR_COMPLETION_DURING_STARTIO" => performance::perf::OPTIMIZE_FOR_COMPLETION_DURING_STARTIO,
        "STOR_PERF_DPC_REDIRECTION_CURRENT_CPU" => performance::perf::DPC_REDIRECTION_CURRENT_CPU,
        "STOR_PERF_NO_SGL" => performance::perf::NO_SGL,
        "STOR_STATUS_SUCCESS" => stor_status::SUCCESS,
        "STOR_STATUS_UNSUCCESSFUL" => stor_status::UNSUCCESSFUL,
        "STOR_STATUS_NOT_IMPLEMENTED" => stor_status::NOT_IMPLEMENTED,
        "STOR_STATUS_INSUFFICIENT_RESOURCES" => stor_status::INSUFFICIENT_RESOURCES,
        "STOR_STATUS_BUFFER_TOO_SMALL" => stor_status::BUFFER_TOO_SMALL,
        "STOR_STATUS_ACCESS_DENIED" => stor_status::ACCESS_DENIED,
        "STOR_STATUS_INVALID_PARAMETER" => stor_status::INVALID_PARAMETER,
        "STOR_STATUS_INVALID_DEVICE_REQUEST" => stor_status::INVALID_DEVICE_REQUEST,
        "STOR_STATUS_INVALID_IRQL" => stor_status::INVALID_IRQL,
        "STOR_STATUS_INVALID_DEVICE_STATE" => stor_status::INVALID_DEVICE_STATE,
        "STOR_STATUS_INVALID_BUFFER_SIZE" => stor_status::INVALID_BUFFER_SIZE,
        "STOR_STATUS_UNSUPPORTED_VERSION" => stor_status::UNSUPPORTED_VERSION,
        "STOR_STATUS_BUSY" => stor_status::BUSY,
    });
}

#[test]
fn enumerators_are_those_of_the_kit() {
    let kit = kit();
    let of = |enumeration: &str, name: &str| {
        u32::try_from(kit.enumerators[enumeration][name]).expect("a code is not negative")
    };
    for (name, &code) in &kit.enumerators["STORPORT_FUNCTION_CODE"] {
        let code = u32::try_from(code).expect("a code is not negative");
        assert_eq!(
            function_name(code),
            name.strip_prefix("ExtFunction"),
            "code {code}"
        );
    }
    for (name, &code) in &kit.enumerators["SCSI_NOTIFICATION_TYPE"] {
        if !name.starts_with('_') {
            let code = u32::try_from(code).expect("a code is not negative");
            assert_eq!(notification::name(code), Some(name.as_str()));
        }
    }
    let adapter = |name: &str| of("SCSI_ADAPTER_CONTROL_TYPE", name);
    assert_eq!(
        control::adapter_control::QUERY_SUPPORTED_CONTROL_TYPES,
        adapter("ScsiQuerySupportedControlTypes")
    );
    assert_eq!(control::adapter_control::STOP_ADAPTER, adapter("ScsiStopAdapter"));
    assert_eq!(
        control::adapter_control::RESTART_ADAPTER,
        adapter("ScsiRestartAdapter")
    );
    assert_eq!(
        control::adapter_control::SET_RUNNING_CONFIG,
        adapter("ScsiSetRunningConfig")
    );
    assert_eq!(control::adapter_control::MAX, adapter("ScsiAdapterControlMax"));
    assert_eq!(
        control::unit_control::MAX,
        of("SCSI_UNIT_CONTROL_TYPE", "ScsiUnitControlMax")
    );
    assert_eq!(synchronization::DPC_LOCK, of("STOR_SPINLOCK", "DpcLock"));
    assert_eq!(synchronization::START_IO_LOCK, of("STOR_SPINLOCK", "StartIoLock"));
    assert_eq!(
        synchronization::INTERRUPT_LOCK,
        of("STOR_SPINLOCK", "InterruptLock")
    );
    assert_eq!(
        pnp_action::REMOVE_DEVICE,
        of("STOR_PNP_ACTION", "StorRemoveDevice")
    );
    assert_eq!(
        pnp_action::SURPRISE_REMOVAL,
        of("STOR_PNP_ACTION", "StorSurpriseRemoval")
    );
    assert_eq!(
        srb::SRBEX_DATA_TYPE_SCSI_CDB16,
        of("SRBEXDATATYPE", "SrbExDataTypeScsiCdb16")
    );
    assert_eq!(
        srb::SRBEX_DATA_TYPE_SCSI_CDB32,
        of("SRBEXDATATYPE", "SrbExDataTypeScsiCdb32")
    );
    assert_eq!(
        srb::SRBEX_DATA_TYPE_POWER,
        of("SRBEXDATATYPE", "SrbExDataTypePower")
    );
    assert_eq!(srb::SRBEX_DATA_TYPE_PNP, of("SRBEXDATATYPE", "SrbExDataTypePnP"));
    let full_duplex = of("STOR_SYNCHRONIZATION_MODEL", "StorSynchronizeFullDuplex");
    assert_eq!(configuration::SYNCHRONIZE_FULL_DUPLEX, full_duplex);
    let per_message = of("INTERRUPT_SYNCHRONIZATION_MODE", "InterruptSynchronizePerMessage");
    assert_eq!(configuration::INTERRUPT_SYNCHRONIZE_PER_MESSAGE, per_message);
}

/// The open headers and the lab read the inferred end of the enumeration independently; no kit has it.
#[test]
fn inferred_codes_are_those_of_the_open_headers() {
    let header = include_str!("../../wdk-build/include/storport/function_codes.h");
    let codes = header
        .lines()
        .filter_map(|line| line.trim().strip_prefix("ExtFunction"));
    let mut count = 0;
    for (code, name) in (0_u32..).zip(codes) {
        let name = name.trim_end_matches(',');
        assert_eq!(function_name(code), Some(name), "code {code}");
        count += 1;
    }
    assert_eq!(count, 119);
    assert_eq!(function_name(count), None);
}
