//! Locks of single messages.

use wdk_sys::{_STORPORT_FUNCTION_CODE as Function, KIRQL, PVOID, storage::StorPortExtendedFunction};

/// `StorPortAcquireMSISpinLock`. Any IRQL; only with `InterruptSynchronizePerMessage`.
///
/// `irql` receives the IRQL before: the page says `PULONG`, the kit's header passes it through untyped; a ULONG is large
/// enough for either reading.
///
/// # Safety
/// `extension` is live, the message exists and its lock is not held by this processor.
pub(crate) unsafe fn acquire_msi_spin_lock(extension: PVOID, message: u32, irql: &mut u32) -> u32 {
    *irql = 0;
    // SAFETY: the arguments are the documented ones; `irql` outlives the call.
    unsafe {
        StorPortExtendedFunction(
            Function::ExtFunctionAcquireMSISpinLock,
            extension,
            message,
            core::ptr::from_mut(irql),
        )
    }
}

/// `StorPortReleaseMSISpinLock`. Any IRQL.
///
/// # Safety
/// The lock of `message` was acquired by this processor, with `irql` as the IRQL before.
pub(crate) unsafe fn release_msi_spin_lock(extension: PVOID, message: u32, irql: u32) -> u32 {
    // SAFETY: the arguments are the documented ones.
    unsafe { StorPortExtendedFunction(Function::ExtFunctionReleaseMSISpinLock, extension, message, irql) }
}
const _: () = assert!(size_of::<KIRQL>() <= size_of::<u32>());
