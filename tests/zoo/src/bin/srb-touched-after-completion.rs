//! Writes to a request after it gave it back. On Windows that is somebody else's memory by then.
//!
//! Documented with `StorPortNotification`, RequestComplete: the miniport does not use the request any more.
//!
//! zoo: rule=srb-touched-after-completion seeds=0..16 also=guard-page-hit+bug-check
#![no_std]
#![no_main]

use zoo::prelude::*;

struct SrbTouchedAfterCompletion;

impl Animal for SrbTouchedAfterCompletion {
    unsafe fn complete(adapter: *mut Adapter, srb: Srb) {
        let late =
            (*srb).Function == disk::function::EXECUTE_SCSI && (*srb).Cdb[0] == disk::opcode::TEST_UNIT_READY;
        ddi::complete(adapter, srb);
        if late {
            (*srb).SrbStatus = status::SUCCESS;
        }
    }
}

zoo::exhibit!(SrbTouchedAfterCompletion);
