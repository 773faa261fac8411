//! Registers a callback of virtual miniports; it has hardware.
//!
//! Documented with `HW_INITIALIZATION_DATA`: HwFreeAdapterResources is NULL for physical miniports.
//!
//! zoo: rule=virtual-miniport-callback
#![no_std]
#![no_main]

use zoo::prelude::*;

unsafe extern "C" fn free(_extension: PVOID) {}

struct VirtualMiniportCallback;

impl Animal for VirtualMiniportCallback {
    unsafe fn register(data: &mut HW_INITIALIZATION_DATA) {
        data.HwFreeAdapterResources = Some(free);
    }
}

zoo::exhibit!(VirtualMiniportCallback);
