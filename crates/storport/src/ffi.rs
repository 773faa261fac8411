//! The inline functions of storport.h: shims over the three variadic exports.
//!
//! Each passes what its page documents, in the order of the public header. bindgen emits no inline functions,
//! so these are ours; none adds a rule of its own.

/// Declares shims over `StorPortExtendedFunction`: name, arguments after the device extension, code.
macro_rules! extended_functions {
    ($($(#[$meta:meta])* $name:ident($($argument:ident: $type:ty),*) = $code:ident;)+) => {
        $(
            $(#[$meta])*
            ///
            /// # Safety
            /// `extension` is a live device extension, and each pointer is valid as the call's page demands.
            pub(crate) unsafe fn $name(extension: wdk_sys::PVOID, $($argument: $type),*) -> u32 {
                // SAFETY: the arguments are the documented ones, in the header's order; the caller's promise.
                unsafe {
                    wdk_sys::storage::StorPortExtendedFunction(
                        wdk_sys::_STORPORT_FUNCTION_CODE::$code,
                        extension,
                        $($argument),*
                    )
                }
            }
        )+
    };
}

mod address;
pub(crate) mod bus;
#[cfg(feature = "inferred-ddi")]
pub(crate) mod inferred;
pub(crate) mod lock;
pub(crate) mod memory;
pub(crate) mod system;

use core::{ffi::c_void, ptr};

pub(crate) use address::Place;

use wdk_sys::{
    _SCSI_NOTIFICATION_TYPE as Notify, _STORPORT_FUNCTION_CODE as Function, BOOLEAN, LARGE_INTEGER, LONG,
    PHW_DPC_ROUTINE, PHW_PASSIVE_INITIALIZE_ROUTINE, PHW_TIMER_EX, PHW_WORKITEM, PSCSI_REQUEST_BLOCK, PVOID,
    STOR_ADDR_BTL8, STOR_DPC, STOR_LOCK_HANDLE, STOR_SPINLOCK,
    storage::{StorPortExtendedFunction, StorPortNotification},
};

/// `StorPortInitializeWorker`. IRQL <= DISPATCH.
///
/// # Safety
/// `extension` is a live device extension.
pub(crate) unsafe fn initialize_worker(extension: PVOID, worker: &mut PVOID) -> u32 {
    // SAFETY: the arguments are the documented ones; `worker` outlives the call.
    unsafe {
        StorPortExtendedFunction(
            Function::ExtFunctionInitializeWorker,
            extension,
            ptr::from_mut(worker),
        )
    }
}

/// `StorPortQueueWorkItem`. IRQL <= DISPATCH.
///
/// # Safety
/// `extension` is live, `worker` came from [`initialize_worker`] for it, and `context` lives until `callback` ran.
pub(crate) unsafe fn queue_work_item(
    extension: PVOID,
    callback: PHW_WORKITEM,
    worker: PVOID,
    context: PVOID,
) -> u32 {
    // SAFETY: the arguments are the documented ones.
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

/// `StorPortFreeWorker`. IRQL <= DISPATCH.
///
/// # Safety
/// `extension` is live, `worker` came from [`initialize_worker`] for it and is used by nobody afterwards.
pub(crate) unsafe fn free_worker(extension: PVOID, worker: PVOID) -> u32 {
    // SAFETY: the arguments are the documented ones.
    unsafe { StorPortExtendedFunction(Function::ExtFunctionFreeWorker, extension, worker) }
}

/// `StorPortInitializeTimer`. IRQL <= DISPATCH.
///
/// # Safety
/// `extension` is a live device extension.
pub(crate) unsafe fn initialize_timer(extension: PVOID, timer: &mut PVOID) -> u32 {
    // SAFETY: the arguments are the documented ones; `timer` outlives the call.
    unsafe {
        StorPortExtendedFunction(
            Function::ExtFunctionInitializeTimer,
            extension,
            ptr::from_mut(timer),
        )
    }
}

/// `StorPortRequestTimer`. Any IRQL; microseconds; 0 cancels.
///
/// # Safety
/// `extension` is live, `timer` came from [`initialize_timer`] for it, `context` lives until the callback ran.
pub(crate) unsafe fn request_timer(
    extension: PVOID,
    timer: PVOID,
    callback: PHW_TIMER_EX,
    context: PVOID,
    microseconds: u64,
    tolerable: u64,
) -> u32 {
    // SAFETY: the arguments are the documented ones.
    unsafe {
        StorPortExtendedFunction(
            Function::ExtFunctionRequestTimer,
            extension,
            timer,
            callback,
            context,
            microseconds,
            tolerable,
        )
    }
}

/// `StorPortFreeTimer`. IRQL <= DISPATCH.
///
/// # Safety
/// `extension` is live, `timer` came from [`initialize_timer`] for it and is used by nobody afterwards.
pub(crate) unsafe fn free_timer(extension: PVOID, timer: PVOID) -> u32 {
    // SAFETY: the arguments are the documented ones.
    unsafe { StorPortExtendedFunction(Function::ExtFunctionFreeTimer, extension, timer) }
}

/// `StorPortQueryPerformanceCounter`. Any IRQL. Returns (status, frequency, counter).
///
/// # Safety
/// `extension` is a live device extension.
pub(crate) unsafe fn query_performance_counter(extension: PVOID) -> (u32, i64, i64) {
    let mut frequency = LARGE_INTEGER::default();
    let mut counter = LARGE_INTEGER::default();
    // SAFETY: the arguments are the documented ones; both places outlive the call.
    let status = unsafe {
        StorPortExtendedFunction(
            Function::ExtFunctionQueryPerformanceCounter,
            extension,
            &raw mut frequency,
            &raw mut counter,
        )
    };
    // SAFETY: every bit pattern of the union is an i64.
    let frequency = unsafe { frequency.QuadPart };
    // SAFETY: every bit pattern of the union is an i64.
    let counter = unsafe { counter.QuadPart };
    (status, frequency, counter)
}

/// `StorPortGetMSIInfo`. Any IRQL, never in a message routine.
///
/// # Safety
/// `extension` is live; `information` is a `MESSAGE_INTERRUPT_INFORMATION`.
pub(crate) unsafe fn get_msi_info(extension: PVOID, message: u32, information: *mut c_void) -> u32 {
    // SAFETY: the arguments are the documented ones.
    unsafe {
        StorPortExtendedFunction(
            Function::ExtFunctionGetMessageInterruptInformation,
            extension,
            message,
            information,
        )
    }
}

/// `StorPortEnablePassiveInitialization`: in `HwStorInitialize` only.
///
/// # Safety
/// `extension` is live and `HwStorInitialize` is running for it.
pub(crate) unsafe fn enable_passive_initialization(
    extension: PVOID,
    routine: PHW_PASSIVE_INITIALIZE_ROUTINE,
) -> bool {
    let mut succeeded: LONG = 0;
    // SAFETY: the arguments are the documented ones.
    unsafe {
        StorPortNotification(
            Notify::EnablePassiveInitialization,
            extension,
            routine,
            &raw mut succeeded,
        );
    };
    succeeded != 0
}

/// `StorPortInitializeDpc`.
///
/// # Safety
/// `extension` is live; `dpc` lies in it and is not queued.
pub(crate) unsafe fn initialize_dpc(extension: PVOID, dpc: *mut STOR_DPC, routine: PHW_DPC_ROUTINE) {
    // SAFETY: the arguments are the documented ones.
    unsafe { StorPortNotification(Notify::InitializeDpc, extension, dpc, routine) };
}

/// `StorPortIssueDpc`: true if the DPC was queued, false if it was queued already.
///
/// # Safety
/// `extension` is live; `dpc` was initialised for it.
pub(crate) unsafe fn issue_dpc(extension: PVOID, dpc: *mut STOR_DPC, argument: PVOID) -> bool {
    let mut queued: LONG = 0;
    // SAFETY: the arguments are the documented ones.
    unsafe {
        StorPortNotification(
            Notify::IssueDpc,
            extension,
            dpc,
            argument,
            ptr::null_mut::<c_void>(),
            &raw mut queued,
        );
    };
    queued != 0
}

/// `StorPortAcquireSpinLock`.
///
/// # Safety
/// `extension` is live, the caller's context allows this lock, and `handle` stays where it is until the release.
pub(crate) unsafe fn acquire_spin_lock(
    extension: PVOID,
    lock: STOR_SPINLOCK,
    context: PVOID,
    handle: *mut STOR_LOCK_HANDLE,
) {
    // SAFETY: the arguments are the documented ones.
    unsafe { StorPortNotification(Notify::AcquireSpinLock, extension, lock, context, handle) };
}

/// `StorPortReleaseSpinLock`.
///
/// # Safety
/// `handle` came from [`acquire_spin_lock`] and its lock is held.
pub(crate) unsafe fn release_spin_lock(extension: PVOID, handle: *mut STOR_LOCK_HANDLE) {
    // SAFETY: the arguments are the documented ones.
    unsafe { StorPortNotification(Notify::ReleaseSpinLock, extension, handle) };
}

/// `StorPortStateChangeDetected`, without a callback. Any IRQL.
///
/// # Safety
/// `extension` is live; `address` stays unchanged until the port driver is done with it.
pub(crate) unsafe fn state_change_detected(
    extension: PVOID,
    changed: u32,
    address: *mut STOR_ADDR_BTL8,
    callback: *mut c_void,
    context: *mut c_void,
) -> u32 {
    let mut status = crate::status::NOT_IMPLEMENTED;
    // SAFETY: the arguments are the documented ones.
    unsafe {
        StorPortNotification(
            Notify::StateChangeDetectedCall,
            extension,
            changed,
            address,
            0_u32,
            callback,
            context,
            &raw mut status,
        );
    };
    status
}

/// Completes an SRB: `StorPortNotification(RequestComplete)`.
///
/// # Safety
/// `srb` belongs to the caller, its status is set, and nobody touches it or its extension afterwards.
pub(crate) unsafe fn request_complete(extension: PVOID, srb: PSCSI_REQUEST_BLOCK) {
    // SAFETY: the arguments are the documented ones.
    unsafe { StorPortNotification(Notify::RequestComplete, extension, srb) };
}

/// A Rust bool as the DDI's `BOOLEAN`.
pub(crate) const fn boolean(value: bool) -> BOOLEAN {
    value as BOOLEAN
}
