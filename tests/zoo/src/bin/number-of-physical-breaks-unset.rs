//! Does not say how many pieces a request may have.
//!
//! Documented with `HwStorFindAdapter`: it sets NumberOfPhysicalBreaks.
//!
//! zoo: rule=number-of-physical-breaks-unset
#![no_std]
#![no_main]

use zoo::prelude::*;

struct NumberOfPhysicalBreaksUnset;

impl Animal for NumberOfPhysicalBreaksUnset {
    unsafe fn found(_adapter: *mut Adapter, configuration: &mut PORT_CONFIGURATION_INFORMATION) {
        configuration.NumberOfPhysicalBreaks = u32::MAX;
    }
}

zoo::exhibit!(NumberOfPhysicalBreaksUnset);
