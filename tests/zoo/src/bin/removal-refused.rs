//! Refuses to be removed.
//!
//! Documented with the PNP request: StorRemoveDevice succeeds.
//!
//! zoo: rule=removal-refused
#![no_std]
#![no_main]

use zoo::prelude::*;

struct RemovalRefused;

impl Animal for RemovalRefused {
    unsafe fn complete(adapter: *mut Adapter, srb: Srb) {
        if (*srb).Function == disk::function::PNP {
            (*srb).SrbStatus = status::ERROR;
        }
        ddi::complete(adapter, srb);
    }
}

zoo::exhibit!(RemovalRefused);
