//! Odd, and right: a timer that asks for itself again in its callback, is cancelled at removal, and then freed.
//!
//! zoo: rule=none
#![no_std]
#![no_main]

use zoo::prelude::*;

unsafe extern "C" fn tick(extension: PVOID, _context: PVOID) {
    let adapter = extension.cast::<Adapter>();
    if (*adapter).words[0] == 0 {
        ddi::request_timer(adapter, Some(tick), 10_000);
    }
}

struct RightTimerRearms;

impl Animal for RightTimerRearms {
    unsafe fn passive_initialize(adapter: *mut Adapter) -> bool {
        ddi::initialize_timer(adapter);
        ddi::request_timer(adapter, Some(tick), 10_000) == 0
    }

    unsafe fn remove(adapter: *mut Adapter) {
        (*adapter).words[0] = 1;
        ddi::request_timer(adapter, Some(tick), 0);
        ddi::free_timer(adapter);
    }
}

zoo::exhibit!(RightTimerRearms);
