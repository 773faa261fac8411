//! Does not say how much a request may transfer.
//!
//! Documented with `HwStorFindAdapter`: it sets MaximumTransferLength.
//!
//! zoo: rule=maximum-transfer-length-unset
#![no_std]
#![no_main]

use zoo::prelude::*;

struct MaximumTransferLengthUnset;

impl Animal for MaximumTransferLengthUnset {
    unsafe fn found(_adapter: *mut Adapter, configuration: &mut PORT_CONFIGURATION_INFORMATION) {
        configuration.MaximumTransferLength = u32::MAX;
    }
}

zoo::exhibit!(MaximumTransferLengthUnset);
