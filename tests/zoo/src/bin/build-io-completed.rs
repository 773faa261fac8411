//! Completes a request in `HwStorBuildIo` and lets it go on to `HwStorStartIo`.
//!
//! Documented with `HwStorBuildIo`: FALSE for a request that is completed there.
//!
//! zoo: rule=build-io-completed
#![no_std]
#![no_main]

use zoo::prelude::*;

struct BuildIoCompleted;

impl Animal for BuildIoCompleted {
    unsafe fn build_io(adapter: *mut Adapter, srb: Srb) -> bool {
        if (*srb).Function == disk::function::EXECUTE_SCSI && (*srb).Cdb[0] == disk::opcode::TEST_UNIT_READY {
            (*srb).SrbStatus = status::SUCCESS;
            ddi::complete(adapter, srb);
        }
        true
    }
}

zoo::exhibit!(BuildIoCompleted);
