//! Claims valid sense data for a request that has no sense buffer.
//!
//! Documented with `SCSI_REQUEST_BLOCK`: SRB_STATUS_AUTOSENSE_VALID says that the sense buffer was filled.
//!
//! zoo: rule=sense-without-buffer
#![no_std]
#![no_main]

use zoo::prelude::*;

struct SenseWithoutBuffer;

impl Animal for SenseWithoutBuffer {
    unsafe fn complete(adapter: *mut Adapter, srb: Srb) {
        if (*srb).SrbStatus == status::INVALID_REQUEST {
            (*srb).SrbStatus |= status::AUTOSENSE_VALID;
        }
        ddi::complete(adapter, srb);
    }
}

zoo::exhibit!(SenseWithoutBuffer);
