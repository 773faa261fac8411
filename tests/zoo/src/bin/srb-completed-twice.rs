//! Completes a TEST UNIT READY a second time, when it is Storport's again.
//!
//! Documented with `StorPortNotification` (RequestComplete) and as 0xF1 parameter 0x2004: a request is completed once.
//!
//! zoo: rule=srb-completed-twice
#![no_std]
#![no_main]

use zoo::prelude::*;

struct Stutterer;

impl Animal for Stutterer {
    unsafe fn complete(adapter: *mut Adapter, srb: Srb) {
        let opcode = (*srb).Cdb[0];
        ddi::complete(adapter, srb);
        if opcode == disk::opcode::TEST_UNIT_READY {
            ddi::complete(adapter, srb);
        }
    }
}

zoo::exhibit!(Stutterer);
