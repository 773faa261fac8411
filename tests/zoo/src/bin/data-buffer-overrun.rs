//! Answers READ CAPACITY with twelve bytes where eight were asked for.
//!
//! Documented with `SCSI_REQUEST_BLOCK`: DataTransferLength is the buffer's size.
//!
//! zoo: rule=data-buffer-overrun seeds=0..16 also=guard-page-hit+bug-check
#![no_std]
#![no_main]

use zoo::prelude::*;

struct DataBufferOverrun;

impl Animal for DataBufferOverrun {
    unsafe fn complete(adapter: *mut Adapter, srb: Srb) {
        if (*srb).Function == disk::function::EXECUTE_SCSI && (*srb).Cdb[0] == disk::opcode::READ_CAPACITY {
            for index in 8..12 {
                (*srb).DataBuffer.cast::<u8>().add(index).write_volatile(0);
            }
        }
        ddi::complete(adapter, srb);
    }
}

zoo::exhibit!(DataBufferOverrun);
