//! Polls for three seconds in `HwStorStartIo`.
//!
//! Documented as bug check 0xF1 with parameter 0x1002: half a second. The lab allows four times that.
//!
//! zoo: rule=callback-too-long also=stall-total-too-long
#![no_std]
#![no_main]

use zoo::prelude::*;

struct CallbackTooLong;

impl Animal for CallbackTooLong {
    unsafe fn trick(_adapter: *mut Adapter, _srb: Srb) {
        for _ in 0..3000 {
            StorPortStallExecution(999);
        }
    }
}

zoo::exhibit!(CallbackTooLong);
