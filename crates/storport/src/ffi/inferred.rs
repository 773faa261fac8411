//! Codes that no kit that was checked has: tier \[I\].
#![expect(clippy::too_many_arguments, reason = "the arguments are the DDI's")]

use core::ffi::c_void;

use wdk_sys::{
    GROUP_AFFINITY, LARGE_INTEGER, PVOID, STOR_ADDRESS, STOR_DPC, STOR_DPC_WATCHDOG_INFORMATION, STOR_EVENT,
    STOR_GROUP_AFFINITY, STORPORT_CAPTURE_LIVEDUMP,
};

extended_functions! {
    /// `StorPortDelayExecution`. Windows 10 1803. Microseconds; a busy-wait at DISPATCH and above.
    delay_execution(microseconds: u32) = ExtFunctionDelayExecution;
    /// `StorPortCancelDpc`.
    cancel_dpc(dpc: *mut STOR_DPC, cancelled: *mut u8) = ExtFunctionCancelDpc;
    /// `StorPortQueryConfiguration`.
    query_configuration(kind: i32, enabled: *mut u8) = ExtFunctionQueryConfiguration;
    /// `StorPortSetFeatureList`.
    set_feature_list(count: u32, features: *const u8) = ExtFunctionSetFeatureList;
    /// `StorPortInitializeEvent`.
    initialize_event(event: *mut STOR_EVENT, kind: i32, signalled: u32) = ExtFunctionInitializeEvent;
    /// `StorPortSetEvent`.
    set_event(event: *mut STOR_EVENT) = ExtFunctionSetEvent;
    /// `StorPortWaitForSingleObject`. IRQL <= DISPATCH if the time-out is zero, else below.
    wait_for_single_object(object: *mut c_void, alertable: u32, timeout: *mut LARGE_INTEGER) = ExtFunctionWaitForEvent;
    /// `StorPortHardwareReset`.
    hardware_reset(kind: i32) = ExtFunctionDeviceReset;
    /// `StorPortCaptureLiveDump`. PASSIVE.
    capture_live_dump(
        address: *mut STOR_ADDRESS,
        dump: *mut STORPORT_CAPTURE_LIVEDUMP
    ) = ExtFunctionCaptureLiveDump;
    /// `StorPortQueryDpcWatchdogInformation`. DISPATCH.
    query_dpc_watchdog_information(
        information: *mut STOR_DPC_WATCHDOG_INFORMATION
    ) = ExtFunctionQueryDpcWatchdogInformation;
    /// `StorPortQueryTimerMinInterval`.
    query_timer_min_interval(interval: *mut u32) = ExtFunctionQueryTimerMinInterval;
    /// `StorPortMaskMsixInterrupt`.
    mask_msix_interrupt(message: u32, mask: u32) = ExtFunctionMaskPciMsixEntry;
    /// `StorPortGetCurrentIrql`.
    get_current_irql(irql: *mut u8) = ExtFunctionGetCurrentIrql;
    /// `StorPortSetSystemGroupAffinityThread`. IRQL <= DISPATCH.
    set_system_group_affinity_thread(
        thread: *mut c_void,
        affinity: *mut STOR_GROUP_AFFINITY,
        previous: *mut STOR_GROUP_AFFINITY
    ) = ExtFunctionSetSystemGroupAffinityThread;
    /// `StorPortRevertToUserGroupAffinityThread`.
    revert_to_user_group_affinity_thread(
        thread: *mut c_void,
        previous: *mut STOR_GROUP_AFFINITY
    ) = ExtFunctionRevertToUserGroupAffinityThread;
    /// `StorPortGetMessageInterruptIDFromProcessorIndex`. Windows 11 22H2.
    get_message_interrupt_id(processor: u32, message: *mut u32) = ExtFunctionGetMessageInterruptIDFromProcessorIndex;
    /// `StorPortGetNodeAffinity2`. Windows 11 22H2. The count is a USHORT, widened as C widens it.
    get_node_affinity2(
        node: u32,
        affinities: *mut GROUP_AFFINITY,
        count: u32,
        required: *mut u16
    ) = ExtFunctionGetNodeAffinity2;
    /// `StorPortEtwLogByteStream`.
    etw_log_byte_stream(
        address: *mut STOR_ADDRESS,
        channel: i32,
        id: u32,
        description: *const u16,
        keywords: u64,
        level: i32,
        opcode: i32,
        length: u32,
        data: *const u8
    ) = ExtFunctionMiniportLogByteStream;
    /// `StorPortEtwLogError`. Windows 10 1903.
    etw_log_error(
        address: *mut STOR_ADDRESS,
        id: u32,
        description: *const u16,
        length: u32,
        data: *const c_void
    ) = ExtFunctionLogHardwareError;
}

/// The rest of the arguments of `StorPortEtwChannelEvent8`.
///
/// # Safety
/// `extension` is live; the texts are terminated.
pub(crate) unsafe fn etw_channel_event8(
    extension: PVOID,
    channel: i32,
    head: &super::system::EtwHead,
    [p1, p2, p3, p4, p5, p6, p7, p8]: [super::system::EtwParameter; 8],
) -> u32 {
    // SAFETY: the arguments are the documented ones.
    unsafe {
        wdk_sys::storage::StorPortExtendedFunction(
            wdk_sys::_STORPORT_FUNCTION_CODE::ExtFunctionMiniportChannelEtwEvent8,
            extension,
            head.address,
            channel,
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

/// `StorPortMarkDeviceFailedEx`, without data. Windows 10 2004.
///
/// # Safety
/// `extension` is live; `address` is NULL or valid; `description` is terminated.
pub(crate) unsafe fn mark_device_failed(
    extension: PVOID,
    address: *mut STOR_ADDRESS,
    flags: u32,
    code: u32,
    description: *const u16,
) {
    // SAFETY: the arguments are the documented ones; the sizes are USHORTs, widened as C widens them.
    unsafe {
        wdk_sys::storage::StorPortNotification(
            wdk_sys::_SCSI_NOTIFICATION_TYPE::MarkDeviceFailedEx,
            extension,
            address,
            flags,
            code,
            description,
            0_u32,
            core::ptr::null_mut::<u8>(),
            0_u32,
            core::ptr::null_mut::<u8>(),
        );
    };
}
