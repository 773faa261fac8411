//! Does not choose: what Storport left in SynchronizationModel is half duplex, and `HwStorStartIo` runs at the device's IRQL.
//!
//! Documented with `PORT_CONFIGURATION_INFORMATION`; that nobody wants the default is a judgement.
//!
//! zoo: rule=half-duplex-by-default
#![no_std]
#![no_main]

use zoo::prelude::*;

struct HalfDuplexByDefault;

impl Animal for HalfDuplexByDefault {
    unsafe fn found(_adapter: *mut Adapter, configuration: &mut PORT_CONFIGURATION_INFORMATION) {
        configuration.SynchronizationModel = 0;
    }
}

zoo::exhibit!(HalfDuplexByDefault);
