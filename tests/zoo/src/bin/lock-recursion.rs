//! Takes the StartIo lock in `HwStorStartIo`, where Storport holds it.
//!
//! Documented with `StorPortAcquireSpinLock`: the table of what may be acquired where. The processor would wait for itself.
//!
//! zoo: rule=lock-recursion
#![no_std]
#![no_main]

use zoo::prelude::*;

struct LockRecursion;

impl Animal for LockRecursion {
    unsafe fn trick(adapter: *mut Adapter, _srb: Srb) {
        let mut handle: STOR_LOCK_HANDLE = core::mem::zeroed();
        ddi::acquire(adapter, SpinLock::StartIoLock, &raw mut handle);
        ddi::release(adapter, &raw mut handle);
    }
}

zoo::exhibit!(LockRecursion);
