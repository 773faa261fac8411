//! Refuses to be powered down.
//!
//! Documented with SRB_FUNCTION_POWER: a notification; the device loses its power whatever the miniport says.
//!
//! zoo: rule=power-refused life=power
#![no_std]
#![no_main]

use zoo::prelude::*;

struct PowerRefused;

impl Animal for PowerRefused {
    unsafe fn complete(adapter: *mut Adapter, srb: Srb) {
        if (*srb).Function == disk::function::POWER {
            (*srb).SrbStatus = status::ERROR;
        }
        ddi::complete(adapter, srb);
    }
}

zoo::exhibit!(PowerRefused);
