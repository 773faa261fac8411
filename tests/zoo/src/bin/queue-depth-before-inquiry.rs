//! Sets the queue depth of a unit that nobody has asked for.
//!
//! Documented with `StorPortSetDeviceQueueDepth`: from the unit's INQUIRY on.
//!
//! zoo: rule=queue-depth-before-inquiry
#![no_std]
#![no_main]

use zoo::prelude::*;

struct QueueDepthBeforeInquiry;

impl Animal for QueueDepthBeforeInquiry {
    unsafe fn passive_initialize(adapter: *mut Adapter) -> bool {
        StorPortSetDeviceQueueDepth(adapter.cast(), 0, 0, 0, 32);
        true
    }
}

zoo::exhibit!(QueueDepthBeforeInquiry);
