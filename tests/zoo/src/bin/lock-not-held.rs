//! Releases a lock that it never acquired.
//!
//! Documented with `StorPortReleaseSpinLock`: LockHandle is the one that `StorPortAcquireSpinLock` filled in.
//!
//! zoo: rule=lock-not-held
#![no_std]
#![no_main]

use zoo::prelude::*;

struct LockNotHeld;

impl Animal for LockNotHeld {
    unsafe fn trick(adapter: *mut Adapter, _srb: Srb) {
        let mut handle: STOR_LOCK_HANDLE = core::mem::zeroed();
        handle.Lock = SpinLock::InterruptLock;
        ddi::release(adapter, &raw mut handle);
    }
}

zoo::exhibit!(LockNotHeld);
