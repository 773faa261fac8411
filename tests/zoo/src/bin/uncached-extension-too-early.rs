//! Allocates its uncached extension before it says how large an SRB extension is.
//!
//! Documented with `StorPortGetUncachedExtension` and as bug check 0xF1 with parameter 0x2002: after SrbExtensionSize is set.
//!
//! zoo: rule=uncached-extension-outside-find-adapter
#![no_std]
#![no_main]

use zoo::prelude::*;

struct UncachedExtensionTooEarly;

impl Animal for UncachedExtensionTooEarly {
    unsafe fn find(adapter: *mut Adapter, configuration: &mut PORT_CONFIGURATION_INFORMATION) {
        configuration.SrbExtensionSize = u32::MAX;
        StorPortGetUncachedExtension(adapter.cast(), configuration, 4096);
        configuration.SrbExtensionSize = Self::SRB_EXTENSION;
    }
}

zoo::exhibit!(UncachedExtensionTooEarly);
