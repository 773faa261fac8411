//! Brings the system down by itself.
//!
//! Documented with `KeBugCheckEx`: the last resort, not an answer to a command.
//!
//! zoo: rule=bug-check
#![no_std]
#![no_main]

use zoo::prelude::*;

struct BugCheck;

impl Animal for BugCheck {
    unsafe fn trick(_adapter: *mut Adapter, _srb: Srb) {
        zoo::wdk_sys::ntddk::KeBugCheckEx(0xE2, 1, 2, 3, 4);
    }
}

zoo::exhibit!(BugCheck);
