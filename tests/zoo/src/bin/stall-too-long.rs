//! Keeps the processor for a millisecond in one call.
//!
//! Documented with `StorPortStallExecution`: less than a millisecond; longer waits are several calls, or a timer.
//!
//! zoo: rule=stall-too-long
#![no_std]
#![no_main]

use zoo::prelude::*;

struct StallTooLong;

impl Animal for StallTooLong {
    unsafe fn trick(_adapter: *mut Adapter, _srb: Srb) {
        StorPortStallExecution(1000);
    }
}

zoo::exhibit!(StallTooLong);
