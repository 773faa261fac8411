//! Answers the question for its dump driver with a structure of no known version.
//!
//! Documented with SRB_FUNCTION_DUMP_POINTERS and `MINIPORT_DUMP_POINTERS`: Version is DUMP_MINIPORT_VERSION.
//!
//! zoo: rule=dump-pointers-invalid life=dump
#![no_std]
#![no_main]

use zoo::prelude::*;

const DUMP_POINTERS: u8 = 0x26;
const FREE_DUMP_POINTERS: u8 = 0x27;

struct DumpPointersInvalid;

impl Animal for DumpPointersInvalid {
    unsafe fn register(data: &mut HW_INITIALIZATION_DATA) {
        // STOR_FEATURE_DUMP_POINTERS
        data.FeatureSupport |= 0x8;
    }

    unsafe fn start_io(adapter: *mut Adapter, srb: Srb) -> bool {
        match (*srb).Function {
            DUMP_POINTERS => {
                (*srb).DataBuffer.cast::<u16>().write(0x7777);
                (*srb).SrbStatus = status::SUCCESS;
                ddi::complete(adapter, srb);
            }
            FREE_DUMP_POINTERS => disk::finish::<Self>(adapter, srb, status::SUCCESS),
            _ => disk::start::<Self>(adapter, srb),
        }
        true
    }
}

zoo::exhibit!(DumpPointersInvalid);
