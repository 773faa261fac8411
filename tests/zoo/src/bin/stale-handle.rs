//! Starts a timer that it has freed.
//!
//! Documented with `StorPortRequestTimer`: the handle is one of `StorPortInitializeTimer`; with `StorPortFreeTimer`: the timer is gone.
//!
//! zoo: rule=stale-handle
#![no_std]
#![no_main]

use zoo::prelude::*;

unsafe extern "C" fn fired(_extension: PVOID, _context: PVOID) {}

struct StaleHandle;

impl Animal for StaleHandle {
    unsafe fn passive_initialize(adapter: *mut Adapter) -> bool {
        ddi::initialize_timer(adapter);
        ddi::free_timer(adapter);
        ddi::request_timer(adapter, Some(fired), 1000);
        true
    }
}

zoo::exhibit!(StaleHandle);
