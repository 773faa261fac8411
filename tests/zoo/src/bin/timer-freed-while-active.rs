//! Frees a timer that is about to fire.
//!
//! `StorPortFreeTimer` does not say what becomes of the request: that it has to be cancelled first is inferred.
//!
//! zoo: rule=timer-freed-while-active
#![no_std]
#![no_main]

use zoo::prelude::*;

unsafe extern "C" fn fired(_extension: PVOID, _context: PVOID) {}

struct TimerFreedWhileActive;

impl Animal for TimerFreedWhileActive {
    unsafe fn passive_initialize(adapter: *mut Adapter) -> bool {
        ddi::initialize_timer(adapter);
        ddi::request_timer(adapter, Some(fired), 1_000_000);
        ddi::free_timer(adapter);
        true
    }
}

zoo::exhibit!(TimerFreedWhileActive);
