//! Reports a SCSI status of CHECK CONDITION in a request that is said to have succeeded.
//!
//! Documented with `SCSI_REQUEST_BLOCK`: ScsiStatus is looked at with SRB_STATUS_ERROR.
//!
//! zoo: rule=scsi-status-with-srb-success
#![no_std]
#![no_main]

use zoo::prelude::*;

struct ScsiStatusWithSrbSuccess;

impl Animal for ScsiStatusWithSrbSuccess {
    unsafe fn complete(adapter: *mut Adapter, srb: Srb) {
        if (*srb).Function == disk::function::EXECUTE_SCSI && (*srb).Cdb[0] == disk::opcode::TEST_UNIT_READY {
            (*srb).ScsiStatus = disk::CHECK_CONDITION;
        }
        ddi::complete(adapter, srb);
    }
}

zoo::exhibit!(ScsiStatusWithSrbSuccess);
