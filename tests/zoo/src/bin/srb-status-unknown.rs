//! Invents a status.
//!
//! Documented with `SCSI_REQUEST_BLOCK`: SrbStatus is one of the SRB_STATUS values.
//!
//! zoo: rule=srb-status-unknown
#![no_std]
#![no_main]

use zoo::prelude::*;

struct SrbStatusUnknown;

impl Animal for SrbStatusUnknown {
    unsafe fn complete(adapter: *mut Adapter, srb: Srb) {
        if (*srb).Function == disk::function::EXECUTE_SCSI && (*srb).Cdb[0] == disk::opcode::TEST_UNIT_READY {
            (*srb).SrbStatus = 0x3A;
        }
        ddi::complete(adapter, srb);
    }
}

zoo::exhibit!(SrbStatusUnknown);
