//! Its timer is to fire in an hour; the adapter goes before.
//!
//! Documented with `StorPortRequestTimer` and the removal request: nothing of the adapter runs afterwards.
//!
//! zoo: rule=timer-after-removal also=timer-leaked
#![no_std]
#![no_main]

use zoo::prelude::*;

unsafe extern "C" fn fired(_extension: PVOID, _context: PVOID) {}

struct TimerAfterRemoval;

impl Animal for TimerAfterRemoval {
    unsafe fn passive_initialize(adapter: *mut Adapter) -> bool {
        ddi::initialize_timer(adapter);
        ddi::request_timer(adapter, Some(fired), 3_600_000_000) == 0
    }
}

zoo::exhibit!(TimerAfterRemoval);
