//! Gives a request back with the status that says that it is not finished.
//!
//! Documented: Static Driver Verifier's rule StorPortStatusPending.
//!
//! zoo: rule=srb-completed-pending
#![no_std]
#![no_main]

use zoo::prelude::*;

struct SrbCompletedPending;

impl Animal for SrbCompletedPending {
    unsafe fn complete(adapter: *mut Adapter, srb: Srb) {
        if (*srb).Function == disk::function::EXECUTE_SCSI && (*srb).Cdb[0] == disk::opcode::TEST_UNIT_READY {
            (*srb).SrbStatus = status::PENDING;
        }
        ddi::complete(adapter, srb);
    }
}

zoo::exhibit!(SrbCompletedPending);
