//! Moves half of the data, then says BUSY, with the length as far as it came.
//!
//! Documented with `SRB_STATUS_BUSY` and `HwStorStartIo`: BUSY says that the command never began, and Storport sends the same request again.
//!
//! zoo: rule=busy-after-issue
#![no_std]
#![no_main]

use zoo::prelude::*;

struct BusyAfterIssue;

impl Animal for BusyAfterIssue {
    unsafe fn complete(adapter: *mut Adapter, srb: Srb) {
        if (*srb).Function == disk::function::EXECUTE_SCSI
            && (*srb).Cdb[0] == disk::opcode::READ
            && (*srb).SrbStatus == status::SUCCESS
            && (*adapter).words[0] == 0
        {
            (*adapter).words[0] = 1;
            (*srb).DataTransferLength /= 2;
            (*srb).SrbStatus = status::BUSY;
        }
        ddi::complete(adapter, srb);
    }
}

zoo::exhibit!(BusyAfterIssue);
