//! Passes a pointer into its device extension where the device extension is asked for.
//!
//! Documented with every function: HwDeviceExtension is what `HwStorFindAdapter` was given.
//!
//! zoo: rule=wrong-device-extension
#![no_std]
#![no_main]

use zoo::prelude::*;

struct WrongDeviceExtension;

impl Animal for WrongDeviceExtension {
    unsafe fn trick(adapter: *mut Adapter, _srb: Srb) {
        StorPortGetLogicalUnit((&raw mut (*adapter).words).cast(), 0, 0, 0);
    }
}

zoo::exhibit!(WrongDeviceExtension);
