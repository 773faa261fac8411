//! Takes the DPC lock under the interrupt lock.
//!
//! Documented with `StorPortAcquireSpinLock`: DPC or StartIo lock first, then the interrupt lock.
//!
//! zoo: rule=lock-order
#![no_std]
#![no_main]

use zoo::prelude::*;

unsafe extern "C" fn idle(_dpc: *mut STOR_DPC, _extension: PVOID, _first: PVOID, _second: PVOID) {}

struct LockOrder;

impl Animal for LockOrder {
    unsafe fn passive_initialize(adapter: *mut Adapter) -> bool {
        ddi::initialize_dpc(adapter, Some(idle));
        true
    }

    unsafe fn trick(adapter: *mut Adapter, _srb: Srb) {
        let (mut first, mut second): (STOR_LOCK_HANDLE, STOR_LOCK_HANDLE) = core::mem::zeroed();
        ddi::acquire(adapter, SpinLock::InterruptLock, &raw mut first);
        ddi::acquire(adapter, SpinLock::DpcLock, &raw mut second);
        ddi::release(adapter, &raw mut second);
        ddi::release(adapter, &raw mut first);
    }
}

zoo::exhibit!(LockOrder);
