//! Odd, and right: completes TEST UNIT READY in `HwStorBuildIo`, and returns FALSE so that `HwStorStartIo` does not see it.
//!
//! zoo: rule=none
#![no_std]
#![no_main]

use zoo::prelude::*;

struct RightBuildIoCompletes;

impl Animal for RightBuildIoCompletes {
    unsafe fn build_io(adapter: *mut Adapter, srb: Srb) -> bool {
        if (*srb).Function == disk::function::EXECUTE_SCSI && (*srb).Cdb[0] == disk::opcode::TEST_UNIT_READY {
            (*srb).SrbStatus = status::SUCCESS;
            ddi::complete(adapter, srb);
            return false;
        }
        true
    }
}

zoo::exhibit!(RightBuildIoCompletes);
