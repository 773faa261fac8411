//! Resets its bus and says FALSE.
//!
//! Documented with `HwStorResetBus`: TRUE if the bus was reset.
//!
//! zoo: rule=reset-bus-failed
#![no_std]
#![no_main]

use zoo::prelude::*;

struct ResetBusFailed;

impl Animal for ResetBusFailed {
    unsafe fn reset_bus(adapter: *mut Adapter, _path: ULONG) -> bool {
        disk::release::<Self>(adapter, status::BUS_RESET);
        false
    }
}

zoo::exhibit!(ResetBusFailed);
