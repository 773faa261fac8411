//! Odd, and right: pauses its unit for a moment, and a timer resumes it.
//!
//! zoo: rule=none
#![no_std]
#![no_main]

use zoo::prelude::*;

unsafe extern "C" fn resume(extension: PVOID, _context: PVOID) {
    StorPortResumeDevice(extension, 0, 0, 0);
}

struct RightPauses;

impl Animal for RightPauses {
    unsafe fn passive_initialize(adapter: *mut Adapter) -> bool {
        ddi::initialize_timer(adapter) == 0
    }

    unsafe fn trick(adapter: *mut Adapter, _srb: Srb) {
        StorPortPauseDevice(adapter.cast(), 0, 0, 0, 60);
        ddi::request_timer(adapter, Some(resume), 5_000);
    }

    unsafe fn remove(adapter: *mut Adapter) {
        ddi::free_timer(adapter);
    }
}

zoo::exhibit!(RightPauses);
