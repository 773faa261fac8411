//! Polls for 150 milliseconds in `HwStorStartIo`, in proper small stalls.
//!
//! Documented as bug check 0xF1 with parameter 0x2001: a tenth of a second.
//!
//! zoo: rule=stall-total-too-long
#![no_std]
#![no_main]

use zoo::prelude::*;

struct StallTotalTooLong;

impl Animal for StallTotalTooLong {
    unsafe fn trick(_adapter: *mut Adapter, _srb: Srb) {
        for _ in 0..150 {
            StorPortStallExecution(999);
        }
    }
}

zoo::exhibit!(StallTotalTooLong);
