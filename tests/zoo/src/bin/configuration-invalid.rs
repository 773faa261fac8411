//! Asks for buffers that are aligned to six bytes.
//!
//! Documented with `PORT_CONFIGURATION_INFORMATION`: AlignmentMask is a power of two less one, at most 0x1FF.
//!
//! zoo: rule=configuration-invalid
#![no_std]
#![no_main]

use zoo::prelude::*;

struct ConfigurationInvalid;

impl Animal for ConfigurationInvalid {
    unsafe fn found(_adapter: *mut Adapter, configuration: &mut PORT_CONFIGURATION_INFORMATION) {
        configuration.AlignmentMask = 5;
    }
}

zoo::exhibit!(ConfigurationInvalid);
