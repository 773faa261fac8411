//! Returns FALSE from `HwStorStartIo` to say that it is busy.
//!
//! Documented with `HwStorStartIo`: it returns TRUE; a request that cannot be taken is completed with SRB_STATUS_BUSY.
//!
//! zoo: rule=start-io-returned-false
#![no_std]
#![no_main]

use zoo::prelude::*;

struct StartIoReturnedFalse;

impl Animal for StartIoReturnedFalse {
    unsafe fn start_io(adapter: *mut Adapter, srb: Srb) -> bool {
        if (*srb).Function == disk::function::EXECUTE_SCSI && (*adapter).words[0] == 0 {
            (*adapter).words[0] = 1;
            return false;
        }
        disk::start::<Self>(adapter, srb);
        true
    }
}

zoo::exhibit!(StartIoReturnedFalse);
