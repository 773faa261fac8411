//! Returns from `HwStorStartIo` with the interrupt lock.
//!
//! Documented with `StorPortReleaseSpinLock`: whoever acquires releases, in the same callback.
//!
//! zoo: rule=lock-not-released also=irql-changed
#![no_std]
#![no_main]

use zoo::prelude::*;

struct LockNotReleased;

impl Animal for LockNotReleased {
    unsafe fn start_io(adapter: *mut Adapter, srb: Srb) -> bool {
        disk::start::<Self>(adapter, srb);
        if (*adapter).words[0] == 0 {
            (*adapter).words[0] = 1;
            ddi::acquire(
                adapter,
                SpinLock::InterruptLock,
                (&raw mut (*adapter).words[1]).cast(),
            );
        }
        true
    }
}

zoo::exhibit!(LockNotReleased);
