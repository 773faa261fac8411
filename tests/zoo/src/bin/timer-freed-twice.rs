//! Frees a timer twice.
//!
//! Documented with `StorPortFreeTimer`: the handle is not used any more.
//!
//! zoo: rule=timer-freed-twice
#![no_std]
#![no_main]

use zoo::prelude::*;

struct TimerFreedTwice;

impl Animal for TimerFreedTwice {
    unsafe fn passive_initialize(adapter: *mut Adapter) -> bool {
        ddi::initialize_timer(adapter);
        ddi::free_timer(adapter);
        ddi::free_timer(adapter);
        true
    }
}

zoo::exhibit!(TimerFreedTwice);
