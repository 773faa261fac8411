//! Has no bus.
//!
//! Documented with `PORT_CONFIGURATION_INFORMATION`: NumberOfBuses is at least one.
//!
//! zoo: rule=configuration-invalid
#![no_std]
#![no_main]

use zoo::prelude::*;

struct ConfigurationWithoutBus;

impl Animal for ConfigurationWithoutBus {
    unsafe fn found(_adapter: *mut Adapter, configuration: &mut PORT_CONFIGURATION_INFORMATION) {
        configuration.NumberOfBuses = 0;
    }
}

zoo::exhibit!(ConfigurationWithoutBus);
