//! The calls as storport.h has them: inline functions over two variadic exports, with every pointer free to be NULL.

use core::ptr;

use wdk_sys::{
    _SCSI_NOTIFICATION_TYPE as Notify, _STOR_SPINLOCK, _STORPORT_FUNCTION_CODE as Function, LONG, STOR_DPC,
    STOR_LOCK_HANDLE, STOR_SPINLOCK,
    storage::{StorPortExtendedFunction, StorPortNotification},
};
pub(crate) use wdk_sys::{PHW_DPC_ROUTINE, PHW_TIMER_EX, PHW_WORKITEM, PVOID};

unsafe extern "system" {
    /// ntoskrnl.exe. On x64 the header has an intrinsic for it, which bindgen does not see.
    fn KeGetCurrentIrql() -> u8;
}

/// `PASSIVE_LEVEL`.
pub(crate) const PASSIVE: u8 = 0;
/// `DISPATCH_LEVEL`.
pub(crate) const DISPATCH: u8 = 2;

/// `StorPortInitializeWorker`.
pub(crate) fn initialize_worker(extension: PVOID, worker: *mut PVOID) -> u32 {
    // SAFETY: the call checks its pointers for NULL; the others are what they should be.
    unsafe { StorPortExtendedFunction(Function::ExtFunctionInitializeWorker, extension, worker) }
}

/// `StorPortQueueWorkItem`.
pub(crate) fn queue_work_item(
    extension: PVOID,
    callback: PHW_WORKITEM,
    worker: PVOID,
    context: PVOID,
) -> u32 {
    // SAFETY: as above.
    unsafe {
        StorPortExtendedFunction(
            Function::ExtFunctionQueueWorkItem,
            extension,
            callback,
            worker,
            context,
        )
    }
}

/// `StorPortFreeWorker`.
pub(crate) fn free_worker(extension: PVOID, worker: PVOID) -> u32 {
    // SAFETY: as above.
    unsafe { StorPortExtendedFunction(Function::ExtFunctionFreeWorker, extension, worker) }
}

/// `StorPortInitializeTimer`.
pub(crate) fn initialize_timer(extension: PVOID, timer: *mut PVOID) -> u32 {
    // SAFETY: as above.
    unsafe { StorPortExtendedFunction(Function::ExtFunctionInitializeTimer, extension, timer) }
}

/// `StorPortRequestTimer`, in microseconds, with no tolerable delay.
pub(crate) fn request_timer(
    extension: PVOID,
    timer: PVOID,
    callback: PHW_TIMER_EX,
    context: PVOID,
    microseconds: u64,
) -> u32 {
    // SAFETY: as above.
    unsafe {
        StorPortExtendedFunction(
            Function::ExtFunctionRequestTimer,
            extension,
            timer,
            callback,
            context,
            microseconds,
            0_u64,
        )
    }
}

/// `StorPortFreeTimer`.
pub(crate) fn free_timer(extension: PVOID, timer: PVOID) -> u32 {
    // SAFETY: as above.
    unsafe { StorPortExtendedFunction(Function::ExtFunctionFreeTimer, extension, timer) }
}

/// `StorPortInitializeDpc`.
pub(crate) fn initialize_dpc(extension: PVOID, dpc: *mut STOR_DPC, routine: PHW_DPC_ROUTINE) {
    // SAFETY: the DPC lies in the device extension and is not queued.
    unsafe { StorPortNotification(Notify::InitializeDpc, extension, dpc, routine) };
}

/// `StorPortIssueDpc`.
pub(crate) fn issue_dpc(extension: PVOID, dpc: *mut STOR_DPC, first: PVOID, second: PVOID) -> u32 {
    let mut queued: LONG = 0;
    // SAFETY: the DPC is initialised; `queued` outlives the call.
    unsafe { StorPortNotification(Notify::IssueDpc, extension, dpc, first, second, &raw mut queued) };
    queued.cast_unsigned()
}

/// Runs `f` under a lock: the interrupt lock raises to DIRQL, the StartIo lock to `DISPATCH_LEVEL`.
fn with_lock<R>(extension: PVOID, lock: STOR_SPINLOCK, f: impl FnOnce() -> R) -> R {
    let mut handle = STOR_LOCK_HANDLE::default();
    // SAFETY: the lock is not held; the handle stays in this frame.
    unsafe {
        StorPortNotification(
            Notify::AcquireSpinLock,
            extension,
            lock,
            ptr::null_mut::<u8>(),
            &raw mut handle,
        );
    };
    let result = f();
    // SAFETY: acquired above.
    unsafe { StorPortNotification(Notify::ReleaseSpinLock, extension, &raw mut handle) };
    result
}

/// Runs `f` at DIRQL.
pub(crate) fn at_dirql<R>(extension: PVOID, f: impl FnOnce() -> R) -> R {
    with_lock(extension, _STOR_SPINLOCK::InterruptLock, f)
}

/// Waits until `HwStorStartIo` does not run.
pub(crate) fn pass_start_io_lock(extension: PVOID) {
    with_lock(extension, _STOR_SPINLOCK::StartIoLock, || ());
}

/// The current IRQL.
pub(crate) fn irql() -> u8 {
    // SAFETY: callable at any IRQL.
    unsafe { KeGetCurrentIrql() }
}
