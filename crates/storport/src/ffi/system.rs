//! Processors, messages, queues, registry, logs, power: codes that the 10.0.16299 kit has.
#![expect(clippy::too_many_arguments, reason = "the arguments are the DDI's")]

use core::ffi::c_void;

use wdk_sys::{
    GROUP_AFFINITY, GUID, LARGE_INTEGER, PERF_CONFIGURATION_DATA, PROCESSOR_NUMBER, PSIZE_T, PVOID,
    STOR_ADDRESS, STOR_LOG_EVENT_DETAILS, STOR_POFX_DEVICE, STORPORT_TELEMETRY_EVENT,
};

extended_functions! {
    /// `StorPortGetCurrentProcessorNumber`. IRQL <= DISPATCH.
    get_current_processor_number(number: *mut PROCESSOR_NUMBER) = ExtFunctionGetCurrentProcessorNumber;
    /// `StorPortGetActiveGroupCount`. IRQL <= DISPATCH.
    get_active_group_count(count: *mut u16) = ExtFunctionGetActiveGroupCount;
    /// `StorPortGetGroupAffinity`. IRQL <= DISPATCH. The group is a USHORT, widened as C widens it.
    get_group_affinity(group: u32, mask: *mut u64) = ExtFunctionGetGroupAffinity;
    /// `StorPortGetActiveNodeCount`. IRQL <= DISPATCH.
    get_active_node_count(count: *mut u32) = ExtFunctionGetActiveNodeCount;
    /// `StorPortGetNodeAffinity`. IRQL <= DISPATCH.
    get_node_affinity(node: u32, affinity: *mut GROUP_AFFINITY) = ExtFunctionGetNodeAffinity;
    /// `StorPortGetHighestNodeNumber`. IRQL <= DISPATCH.
    get_highest_node_number(node: *mut u32) = ExtFunctionGetHighestNodeNumber;
    /// `StorPortGetLogicalProcessorRelationship`. IRQL <= DISPATCH.
    get_logical_processor_relationship(
        processor: *mut PROCESSOR_NUMBER,
        relationship: i32,
        information: *mut c_void,
        length: *mut u32
    ) = ExtFunctionGetLogicalProcessorRelationship;
    /// `StorPortInitializePerfOpts`: in `HwStorInitialize` and `HwStorPassiveInitialize`.
    initialize_perf_opts(query: u32, data: *mut PERF_CONFIGURATION_DATA) = ExtFunctionInitializePerformanceOptimizations;
    /// `StorPortGetStartIoPerfParams`, for the SRB of `HwStorStartIo`.
    get_start_io_perf_params(srb: PVOID, parameters: *mut c_void) = ExtFunctionGetStartIoPerformanceParameters;
    /// `StorPortGetRequestInfo`. Any IRQL.
    get_request_info(srb: PVOID, information: *mut c_void) = ExtFunctionGetRequestInfo;
    /// `StorPortGetActivityIdSrb`. Any IRQL.
    get_activity_id(srb: PVOID, id: *mut GUID) = ExtFunctionGetActivityId;
    /// `StorPortGetSystemPortNumber`.
    get_system_port_number(address: *mut STOR_ADDRESS) = ExtFunctionGetSystemPortNumber;
    /// `StorPortSetUnitAttributes`. Any IRQL. The bit field is passed by value, as a ULONG is.
    set_unit_attributes(address: *mut STOR_ADDRESS, attributes: u32) = ExtFunctionSetUnitAttributes;
    /// `StorPortSetAdapterBusType`.
    set_adapter_bus_type(bus_type: u32) = ExtFunctionSetAdapterBusType;
    /// `StorPortUpdateAdapterMaxIO`: in `HwStorInitialize` and `HwStorPassiveInitialize`.
    update_adapter_max_io(count: u32) = ExtFunctionUpdateAdapterMaxIO;
    /// `StorPortRegistryReadAdapterKey`. PASSIVE.
    registry_read_adapter_key(
        key: *const u8,
        name: *const u8,
        kind: u32,
        data: *mut *mut c_void,
        length: *mut u32
    ) = ExtFunctionRegistryReadAdapterKey;
    /// `StorPortRegistryWriteAdapterKey`. PASSIVE.
    registry_write_adapter_key(
        key: *const u8,
        name: *const u8,
        kind: u32,
        data: *const c_void,
        length: u32
    ) = ExtFunctionRegistryWriteAdapterKey;
    /// `StorPortLogSystemEvent`. IRQL <= DISPATCH.
    log_system_event(details: *mut STOR_LOG_EVENT_DETAILS, maximum: *mut u32) = ExtFunctionLogSystemEvent;
    /// `StorPortLogTelemetry`.
    log_telemetry(address: *mut STOR_ADDRESS, event: *const STORPORT_TELEMETRY_EVENT) = ExtFunctionMiniportTelemetry;
    /// `StorPortSetPowerSettingNotificationGuids`. Any IRQL.
    set_power_setting_notification_guids(count: u32, guids: *const GUID) = ExtFunctionSetPowerSettingNotificationGuids;
    /// `StorPortInvokeAcpiMethod`. PASSIVE.
    invoke_acpi_method(
        address: *mut STOR_ADDRESS,
        method: u32,
        input: *const c_void,
        input_length: u32,
        output: *mut c_void,
        output_length: u32,
        returned: *mut u32
    ) = ExtFunctionInvokeAcpiMethod;
    /// `StorPortInitializePoFxPower`.
    initialize_pofx_power(
        address: *mut STOR_ADDRESS,
        device: *mut STOR_POFX_DEVICE,
        d3_cold: *mut u8
    ) = ExtFunctionInitializePoFxPower;
    /// `StorPortPoFxActivateComponent`. IRQL <= DISPATCH.
    pofx_activate_component(
        address: *mut STOR_ADDRESS,
        srb: PVOID,
        component: u32,
        flags: u32
    ) = ExtFunctionPoFxActivateComponent;
    /// `StorPortPoFxIdleComponent`. Any IRQL.
    pofx_idle_component(
        address: *mut STOR_ADDRESS,
        srb: PVOID,
        component: u32,
        flags: u32
    ) = ExtFunctionPoFxIdleComponent;
    /// `StorPortPoFxSetComponentLatency`. IRQL <= DISPATCH. Units of 100 ns.
    pofx_set_component_latency(address: *mut STOR_ADDRESS, component: u32, latency: u64) = ExtFunctionPoFxSetComponentLatency;
    /// `StorPortPoFxSetComponentResidency`. IRQL <= DISPATCH. Units of 100 ns.
    pofx_set_component_residency(address: *mut STOR_ADDRESS, component: u32, residency: u64) = ExtFunctionPoFxSetComponentResidency;
    /// `StorPortPoFxSetIdleTimeout`. Milliseconds; the address is NULL.
    pofx_set_idle_timeout(address: *mut STOR_ADDRESS, timeout: u32) = ExtFunctionPoFxSetIdleTimeout;
    /// `StorPortPoFxPowerControl`. IRQL <= DISPATCH.
    pofx_power_control(
        address: *mut STOR_ADDRESS,
        code: *const GUID,
        input: *const c_void,
        input_length: usize,
        output: *mut c_void,
        output_length: usize,
        returned: PSIZE_T
    ) = ExtFunctionPoFxPowerControl;
}

/// A Rust bool as a BOOLEAN among variadic arguments, widened as C widens it.
pub(crate) const fn widened(value: bool) -> u32 {
    value as u32
}

/// What `StorPortEtwEvent2`, 4 and 8 have in common.
pub(crate) struct EtwHead {
    pub(crate) address: *mut STOR_ADDRESS,
    pub(crate) id: u32,
    pub(crate) description: *const u16,
    pub(crate) keywords: u64,
    pub(crate) level: i32,
    pub(crate) opcode: i32,
}

/// A parameter of an event: NULL for none, and its value.
pub(crate) type EtwParameter = (*const u16, u64);

/// `StorPortEtwEvent2`. IRQL <= DISPATCH.
///
/// # Safety
/// `extension` is live; the texts are terminated.
pub(crate) unsafe fn etw_event2(extension: PVOID, head: &EtwHead, [p1, p2]: [EtwParameter; 2]) -> u32 {
    // SAFETY: the arguments are the documented ones.
    unsafe {
        wdk_sys::storage::StorPortExtendedFunction(
            wdk_sys::_STORPORT_FUNCTION_CODE::ExtFunctionMiniportEtwEvent2,
            extension,
            head.address,
            head.id,
            head.description,
            head.keywords,
            head.level,
            head.opcode,
            core::ptr::null_mut::<c_void>(),
            p1.0,
            p1.1,
            p2.0,
            p2.1,
        )
    }
}

/// `StorPortEtwEvent4`. IRQL <= DISPATCH.
///
/// # Safety
/// `extension` is live; the texts are terminated.
pub(crate) unsafe fn etw_event4(
    extension: PVOID,
    head: &EtwHead,
    [p1, p2, p3, p4]: [EtwParameter; 4],
) -> u32 {
    // SAFETY: the arguments are the documented ones.
    unsafe {
        wdk_sys::storage::StorPortExtendedFunction(
            wdk_sys::_STORPORT_FUNCTION_CODE::ExtFunctionMiniportEtwEvent4,
            extension,
            head.address,
            head.id,
            head.description,
            head.keywords,
            head.level,
            head.opcode,
            core::ptr::null_mut::<c_void>(),
            p1.0,
            p1.1,
            p2.0,
            p2.1,
            p3.0,
            p3.1,
            p4.0,
            p4.1,
        )
    }
}

/// `StorPortEtwEvent8`. IRQL <= DISPATCH.
///
/// # Safety
/// `extension` is live; the texts are terminated.
pub(crate) unsafe fn etw_event8(
    extension: PVOID,
    head: &EtwHead,
    [p1, p2, p3, p4, p5, p6, p7, p8]: [EtwParameter; 8],
) -> u32 {
    // SAFETY: the arguments are the documented ones.
    unsafe {
        wdk_sys::storage::StorPortExtendedFunction(
            wdk_sys::_STORPORT_FUNCTION_CODE::ExtFunctionMiniportEtwEvent8,
            extension,
            head.address,
            head.id,
            head.description,
            head.keywords,
            head.level,
            head.opcode,
            core::ptr::null_mut::<c_void>(),
            p1.0,
            p1.1,
            p2.0,
            p2.1,
            p3.0,
            p3.1,
            p4.0,
            p4.1,
            p5.0,
            p5.1,
            p6.0,
            p6.1,
            p7.0,
            p7.1,
            p8.0,
            p8.1,
        )
    }
}

/// `StorPortAsyncNotificationDetected`. Any IRQL.
///
/// # Safety
/// `extension` is live; `address` is valid.
pub(crate) unsafe fn async_notification_detected(
    extension: PVOID,
    address: *mut STOR_ADDRESS,
    flags: u64,
) -> u32 {
    let mut status = crate::status::NOT_IMPLEMENTED;
    // SAFETY: the arguments are the documented ones.
    unsafe {
        wdk_sys::storage::StorPortNotification(
            wdk_sys::_SCSI_NOTIFICATION_TYPE::AsyncNotificationDetected,
            extension,
            address,
            flags,
            &raw mut status,
        );
    };
    status
}

/// `StorPortQuerySystemTime`, in units of 100 ns since 1601.
pub(crate) fn query_system_time() -> u64 {
    let mut time = LARGE_INTEGER::default();
    // SAFETY: the call writes to the place that it is given.
    unsafe { wdk_sys::storage::StorPortQuerySystemTime(&raw mut time) };
    // SAFETY: every bit pattern of the union is an i64.
    unsafe { time.QuadPart }.cast_unsigned()
}
