//! Pauses a unit for an hour and forgets it.
//!
//! That whoever pauses resumes is inferred from `StorPortPauseDevice` and `StorPortResumeDevice`.
//!
//! zoo: rule=paused-forever
#![no_std]
#![no_main]

use zoo::prelude::*;

struct PausedForever;

impl Animal for PausedForever {
    unsafe fn trick(adapter: *mut Adapter, _srb: Srb) {
        StorPortPauseDevice(adapter.cast(), 0, 0, 5, 3600);
    }
}

zoo::exhibit!(PausedForever);
