//! Denies its own interrupt message.
//!
//! Documented with `HwMSInterruptRoutine`: TRUE; no other device can have sent it.
//!
//! zoo: rule=interrupt-unclaimed
#![no_std]
#![no_main]

use zoo::prelude::*;

struct InterruptUnclaimed;

impl Animal for InterruptUnclaimed {
    unsafe fn trick(adapter: *mut Adapter, _srb: Srb) {
        (*adapter).registers.add(BELL).cast::<u32>().write_volatile(0);
    }

    unsafe fn message(_adapter: *mut Adapter, _message: ULONG) -> bool {
        false
    }
}

zoo::exhibit!(InterruptUnclaimed);
