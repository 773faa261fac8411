//! Calls that need more than a line.

use core::{ffi::c_void, ptr};

use wdk_sys::{
    _SCSI_NOTIFICATION_TYPE as Notify, _STORPORT_FUNCTION_CODE as Function, LONG, PHW_DPC_ROUTINE,
    PHW_TIMER_EX, PHW_WORKITEM, PVOID, STOR_LOCK_HANDLE, STOR_SPINLOCK, ULONG,
    storage::{StorPortExtendedFunction, StorPortNotification},
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
        ptr::null_mut::<c_void>(),
        &raw mut queued,
    );
    queued != 0
}

/// `StorPortInitializeWorker` for the adapter's worker.
#[inline(always)]
pub unsafe fn initialize_worker(adapter: *mut Adapter) -> ULONG {
    StorPortExtendedFunction(
        Function::ExtFunctionInitializeWorker,
        adapter.cast(),
        &raw mut (*adapter).worker,
    )
}

/// `StorPortQueueWorkItem` for the adapter's worker.
#[inline(always)]
pub unsafe fn queue_work_item(adapter: *mut Adapter, routine: PHW_WORKITEM) -> ULONG {
    StorPortExtendedFunction(
        Function::ExtFunctionQueueWorkItem,
        adapter.cast(),
        routine,
        (*adapter).worker,
        ptr::null_mut::<c_void>(),
    )
}

/// `StorPortFreeWorker` for the adapter's worker.
#[inline(always)]
pub unsafe fn free_worker(adapter: *mut Adapter) -> ULONG {
    StorPortExtendedFunction(Function::ExtFunctionFreeWorker, adapter.cast(), (*adapter).worker)
}

/// `StorPortInitializeTimer` for the adapter's timer.
#[inline(always)]
pub unsafe fn initialize_timer(adapter: *mut Adapter) -> ULONG {
    StorPortExtendedFunction(
        Function::ExtFunctionInitializeTimer,
        adapter.cast(),
        &raw mut (*adapter).timer,
    )
}

/// `StorPortRequestTimer` for the adapter's timer; 0 microseconds cancel.
#[inline(always)]
pub unsafe fn request_timer(adapter: *mut Adapter, routine: PHW_TIMER_EX, microseconds: u64) -> ULONG {
    StorPortExtendedFunction(
        Function::ExtFunctionRequestTimer,
        adapter.cast(),
        (*adapter).timer,
        routine,
        ptr::null_mut::<c_void>(),
        microseconds,
        0_u64,
    )
}

/// `StorPortFreeTimer` for the adapter's timer.
#[inline(always)]
pub unsafe fn free_timer(adapter: *mut Adapter) -> ULONG {
    StorPortExtendedFunction(Function::ExtFunctionFreeTimer, adapter.cast(), (*adapter).timer)
}

/// `StorPortAllocatePool`; NULL if there is none.
#[inline(always)]
pub unsafe fn allocate_pool(adapter: *mut Adapter, bytes: ULONG) -> PVOID {
    let mut memory: PVOID = ptr::null_mut();
    StorPortExtendedFunction(
        Function::ExtFunctionAllocatePool,
        adapter.cast(),
        bytes,
        u32::from_le_bytes(*b"Zoo "),
        &raw mut memory,
    );
    memory
}

/// `StorPortFreePool`.
#[inline(always)]
pub unsafe fn free_pool(adapter: *mut Adapter, memory: PVOID) -> ULONG {
    StorPortExtendedFunction(Function::ExtFunctionFreePool, adapter.cast(), memory)
}

/// `StorPortAcquireSpinLock`; a DPC lock is that of the adapter's DPC.
#[inline(always)]
pub unsafe fn acquire(adapter: *mut Adapter, lock: STOR_SPINLOCK, handle: *mut STOR_LOCK_HANDLE) {
    StorPortNotification(
        Notify::AcquireSpinLock,
        adapter.cast::<c_void>(),
        lock,
        &raw mut (*adapter).dpc,
        handle,
    );
}

/// `StorPortReleaseSpinLock`.
#[inline(always)]
pub unsafe fn release(adapter: *mut Adapter, handle: *mut STOR_LOCK_HANDLE) {
    StorPortNotification(Notify::ReleaseSpinLock, adapter.cast::<c_void>(), handle);
}
