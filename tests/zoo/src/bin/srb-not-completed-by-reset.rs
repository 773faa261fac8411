//! Resets its bus, says TRUE, and has forgotten two requests.
//!
//! Documented with `HwStorResetBus`, and as bug check 0xF0 with parameter 1: a successful reset has completed all requests of the path.
//!
//! zoo: rule=srb-not-completed-by-reset
#![no_std]
#![no_main]

use zoo::prelude::*;

struct SrbNotCompletedByReset;

impl Animal for SrbNotCompletedByReset {
    unsafe fn reset_bus(adapter: *mut Adapter, _path: ULONG) -> bool {
        (*adapter).held = [ptr::null_mut(); zoo::animal::HELD];
        true
    }
}

zoo::exhibit!(SrbNotCompletedByReset);
