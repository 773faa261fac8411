//! Never frees its timer.
//!
//! Documented with `StorPortInitializeTimer`: freed by `StorPortFreeTimer` when it is not needed any more.
//!
//! zoo: rule=timer-leaked
#![no_std]
#![no_main]

use zoo::prelude::*;

struct TimerLeaked;

impl Animal for TimerLeaked {
    unsafe fn passive_initialize(adapter: *mut Adapter) -> bool {
        ddi::initialize_timer(adapter) == 0
    }
}

zoo::exhibit!(TimerLeaked);
