//! Maps an address that nobody gave it.
//!
//! Documented with `StorPortGetDeviceBase` and as bug check 0xF1 with parameter 0x2003: the access ranges of the configuration.
//!
//! zoo: rule=bus-address-unassigned
#![no_std]
#![no_main]

use zoo::prelude::*;

struct BusAddressUnassigned;

impl Animal for BusAddressUnassigned {
    unsafe fn find(adapter: *mut Adapter, configuration: &mut PORT_CONFIGURATION_INFORMATION) {
        let mut address: zoo::wdk_sys::STOR_PHYSICAL_ADDRESS = core::mem::zeroed();
        address.QuadPart = 0xFEC0_0000;
        StorPortGetDeviceBase(
            adapter.cast(),
            configuration.AdapterInterfaceType,
            configuration.SystemIoBusNumber,
            address,
            4096,
            0,
        );
    }
}

zoo::exhibit!(BusAddressUnassigned);
