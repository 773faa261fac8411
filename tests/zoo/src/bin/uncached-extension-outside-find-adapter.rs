//! Allocates its uncached extension in `HwStorInitialize`.
//!
//! Documented with `StorPortGetUncachedExtension` and as bug check 0xF1 with parameter 0x2002: in `HwStorFindAdapter` only.
//!
//! zoo: rule=uncached-extension-outside-find-adapter
#![no_std]
#![no_main]

use zoo::prelude::*;

struct UncachedExtensionOutsideFindAdapter;

impl Animal for UncachedExtensionOutsideFindAdapter {
    unsafe fn initialize(adapter: *mut Adapter) -> bool {
        let mut nothing: PORT_CONFIGURATION_INFORMATION = core::mem::zeroed();
        StorPortGetUncachedExtension(adapter.cast(), &raw mut nothing, 4096);
        true
    }
}

zoo::exhibit!(UncachedExtensionOutsideFindAdapter);
