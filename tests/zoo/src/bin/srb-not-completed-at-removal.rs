//! Forgets requests: it takes them and never gives them back, not even when it is removed.
//!
//! Documented with `HwStorStartIo`: every request is completed.
//!
//! zoo: rule=srb-not-completed-at-removal life=held
#![no_std]
#![no_main]

use zoo::prelude::*;

struct SrbNotCompletedAtRemoval;

impl Animal for SrbNotCompletedAtRemoval {
    unsafe fn start_io(adapter: *mut Adapter, srb: Srb) -> bool {
        if (*srb).Function == disk::function::EXECUTE_SCSI && (*srb).Cdb[0] == disk::opcode::HOLD {
            return true;
        }
        disk::start::<Self>(adapter, srb);
        true
    }
}

zoo::exhibit!(SrbNotCompletedAtRemoval);
