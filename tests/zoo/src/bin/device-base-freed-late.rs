//! Unmaps its registers in `HwStorInitialize`.
//!
//! Documented with `StorPortFreeDeviceBase` and as bug check 0xF1: called from `HwStorFindAdapter` only.
//!
//! zoo: rule=call-outside-window
#![no_std]
#![no_main]

use zoo::prelude::*;

struct DeviceBaseFreedLate;

impl Animal for DeviceBaseFreedLate {
    unsafe fn initialize(adapter: *mut Adapter) -> bool {
        StorPortFreeDeviceBase(adapter.cast(), (*adapter).registers.cast());
        true
    }
}

zoo::exhibit!(DeviceBaseFreedLate);
