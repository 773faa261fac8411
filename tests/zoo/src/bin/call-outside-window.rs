//! Looks into its PCI configuration space from `HwStorStartIo`.
//!
//! Documented with `StorPortGetBusData`: called from `HwStorFindAdapter` only.
//!
//! zoo: rule=call-outside-window
#![no_std]
#![no_main]

use zoo::prelude::*;

struct CallOutsideWindow;

impl Animal for CallOutsideWindow {
    unsafe fn trick(adapter: *mut Adapter, _srb: Srb) {
        let mut header = [0_u8; 64];
        StorPortGetBusData(adapter.cast(), 4, 0, 3, header.as_mut_ptr().cast(), 64);
    }
}

zoo::exhibit!(CallOutsideWindow);
