//! Says that it wrote more sense data than the buffer has room for.
//!
//! Documented with `SCSI_REQUEST_BLOCK`: SenseInfoBufferLength is the buffer's length.
//!
//! zoo: rule=sense-overrun
#![no_std]
#![no_main]

use zoo::prelude::*;

struct SenseOverrun;

impl Animal for SenseOverrun {
    unsafe fn complete(adapter: *mut Adapter, srb: Srb) {
        if (*srb).SrbStatus & status::AUTOSENSE_VALID != 0 {
            (*srb).SenseInfoBufferLength = 255;
        }
        ddi::complete(adapter, srb);
    }
}

zoo::exhibit!(SenseOverrun);
