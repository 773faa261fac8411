//! Odd, and right: takes the interrupt lock under the StartIo lock, which Storport holds, and gives it back.
//!
//! zoo: rule=none
#![no_std]
#![no_main]

use zoo::prelude::*;

struct RightLocksNested;

impl Animal for RightLocksNested {
    unsafe fn trick(adapter: *mut Adapter, _srb: Srb) {
        let mut handle: STOR_LOCK_HANDLE = core::mem::zeroed();
        ddi::acquire(adapter, SpinLock::InterruptLock, &raw mut handle);
        (*adapter).words[0] += 1;
        ddi::release(adapter, &raw mut handle);
    }
}

zoo::exhibit!(RightLocksNested);
