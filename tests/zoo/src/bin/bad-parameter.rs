//! Asks for a queue of no depth.
//!
//! Documented with `StorPortSetDeviceQueueDepth`: 1 to the largest depth.
//!
//! zoo: rule=bad-parameter
#![no_std]
#![no_main]

use zoo::prelude::*;

struct BadParameter;

impl Animal for BadParameter {
    unsafe fn trick(adapter: *mut Adapter, _srb: Srb) {
        StorPortSetDeviceQueueDepth(adapter.cast(), 0, 0, 0, 0);
    }
}

zoo::exhibit!(BadParameter);
