//! Frees a timer in that timer's own callback.
//!
//! No page says whether Storport uses the timer after the callback: inferred that it may.
//!
//! zoo: rule=timer-freed-in-callback
#![no_std]
#![no_main]

use zoo::prelude::*;

unsafe extern "C" fn fired(extension: PVOID, _context: PVOID) {
    ddi::free_timer(extension.cast());
}

struct TimerFreedInCallback;

impl Animal for TimerFreedInCallback {
    unsafe fn passive_initialize(adapter: *mut Adapter) -> bool {
        ddi::initialize_timer(adapter);
        ddi::request_timer(adapter, Some(fired), 1_000);
        true
    }
}

zoo::exhibit!(TimerFreedInCallback);
