//! Reports a second state change before the first is processed.
//!
//! Documented with `StorPortStateChangeDetected`: one at a time.
//!
//! zoo: rule=state-change-outstanding
#![no_std]
#![no_main]

use zoo::prelude::*;

struct StateChangeOutstanding;

impl Animal for StateChangeOutstanding {
    unsafe fn start_io(adapter: *mut Adapter, srb: Srb) -> bool {
        if (*srb).Function == disk::function::EXECUTE_SCSI && (*adapter).words[0] == 0 {
            // STOR_ADDR_BTL8: type 1, length 4, unit 0:0:0.
            (*adapter).words[0] = 0x0000_0004_0000_0001;
            for _ in 0..2 {
                let mut answer: ULONG = 0;
                StorPortNotification(
                    Notify::StateChangeDetectedCall,
                    adapter.cast::<c_void>(),
                    1_u32,
                    &raw mut (*adapter).words,
                    0_u32,
                    ptr::null_mut::<c_void>(),
                    ptr::null_mut::<c_void>(),
                    &raw mut answer,
                );
            }
        }
        disk::start::<Self>(adapter, srb);
        true
    }
}

zoo::exhibit!(StateChangeOutstanding);
