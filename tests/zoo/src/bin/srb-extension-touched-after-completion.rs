//! Keeps a tally in the extension of a request, and makes its last entry after the request is Storport's again.
//!
//! Documented with `HwStorStartIo` and the SRB extension: it lives as long as its request.
//!
//! zoo: rule=srb-extension-touched-after-completion also=guard-page-hit+bug-check
#![no_std]
#![no_main]

use zoo::prelude::*;

struct SrbExtensionTouchedAfterCompletion;

impl Animal for SrbExtensionTouchedAfterCompletion {
    unsafe fn complete(adapter: *mut Adapter, srb: Srb) {
        let late =
            (*srb).Function == disk::function::EXECUTE_SCSI && (*srb).Cdb[0] == disk::opcode::TEST_UNIT_READY;
        let tally = (*srb).SrbExtension.cast::<u32>();
        ddi::complete(adapter, srb);
        if late {
            tally.write_volatile(1);
        }
    }
}

zoo::exhibit!(SrbExtensionTouchedAfterCompletion);
