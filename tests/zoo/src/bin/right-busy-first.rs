//! Odd, and right: says BUSY to every request once, and touches nothing of it.
//!
//! zoo: rule=none
#![no_std]
#![no_main]

use zoo::prelude::*;

struct RightBusyFirst;

impl Animal for RightBusyFirst {
    unsafe fn start_io(adapter: *mut Adapter, srb: Srb) -> bool {
        (*adapter).words[0] ^= 1;
        if (*srb).Function == disk::function::EXECUTE_SCSI && (*adapter).words[0] != 0 {
            (*srb).SrbStatus = status::BUSY;
            ddi::complete(adapter, srb);
            return true;
        }
        disk::start::<Self>(adapter, srb);
        true
    }
}

zoo::exhibit!(RightBusyFirst);
