//! Reports more bytes than were asked for.
//!
//! Documented with `SCSI_REQUEST_BLOCK`: DataTransferLength becomes the number of bytes that were transferred.
//!
//! zoo: rule=data-length-grown
#![no_std]
#![no_main]

use zoo::prelude::*;

struct DataLengthGrown;

impl Animal for DataLengthGrown {
    unsafe fn complete(adapter: *mut Adapter, srb: Srb) {
        if (*srb).Function == disk::function::EXECUTE_SCSI && (*srb).Cdb[0] == disk::opcode::READ_CAPACITY {
            (*srb).DataTransferLength += 4;
        }
        ddi::complete(adapter, srb);
    }
}

zoo::exhibit!(DataLengthGrown);
