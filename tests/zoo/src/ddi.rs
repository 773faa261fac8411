//! Calls that need more than a line.

use core::ffi::c_void;

use wdk_sys::{
    _SCSI_NOTIFICATION_TYPE as Notify, LONG, PHW_DPC_ROUTINE, PVOID, storage::StorPortNotification,
};

use crate::animal::{Adapter, Srb};

/// `StorPortNotification(RequestComplete, ...)`.
#[inline(always)]
pub unsafe fn complete(adapter: *mut Adapter, srb: Srb) {
    StorPortNotification(Notify::RequestComplete, adapter.cast::<c_void>(), srb);
}

/// `StorPortNotification(InitializeDpc, ...)` for the adapter's DPC.
#[inline(always)]
pub unsafe fn initialize_dpc(adapter: *mut Adapter, routine: PHW_DPC_ROUTINE) {
    StorPortNotification(
        Notify::InitializeDpc,
        adapter.cast::<c_void>(),
        &raw mut (*adapter).dpc,
        routine,
    );
}

/// `StorPortNotification(IssueDpc, ...)` for the adapter's DPC.
#[inline(always)]
pub unsafe fn issue_dpc(adapter: *mut Adapter, first: PVOID) -> bool {
    let mut queued: LONG = 0;
    StorPortNotification(
        Notify::IssueDpc,
        adapter.cast::<c_void>(),
        &raw mut (*adapter).dpc,
        first,
        core::ptr::null_mut::<c_void>(),
        &raw mut queued,
    );
    queued != 0
}
