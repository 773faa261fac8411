//! Writes its favourite 256 bytes of sense data, whatever the buffer's length.
//!
//! Documented with `SCSI_REQUEST_BLOCK`: SenseInfoBufferLength is the buffer's length.
//!
//! zoo: rule=sense-overrun also=guard-page-hit+bug-check
#![no_std]
#![no_main]

use zoo::prelude::*;

struct SenseOverrunWritten;

impl Animal for SenseOverrunWritten {
    unsafe fn complete(adapter: *mut Adapter, srb: Srb) {
        if (*srb).SrbStatus & status::AUTOSENSE_VALID != 0 {
            let sense = (*srb).SenseInfoBuffer.cast::<u8>();
            for index in 18..256 {
                sense.add(index).write_volatile(0);
            }
        }
        ddi::complete(adapter, srb);
    }
}

zoo::exhibit!(SenseOverrunWritten);
