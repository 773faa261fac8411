//! Forgets to say that it needs physical addresses.
//!
//! Documented with `HW_INITIALIZATION_DATA`: NeedPhysicalAddresses, TaggedQueuing, AutoRequestSense and MultipleRequestPerLu are TRUE.
//!
//! zoo: rule=registration-incomplete
#![no_std]
#![no_main]

use zoo::prelude::*;

struct RegistrationIncomplete;

impl Animal for RegistrationIncomplete {
    unsafe fn register(data: &mut HW_INITIALIZATION_DATA) {
        data.NeedPhysicalAddresses = 0;
    }
}

zoo::exhibit!(RegistrationIncomplete);
