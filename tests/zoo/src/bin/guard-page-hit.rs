//! Follows a pointer that nobody set.
//!
//! Documented as bug check 0xD1 and its like: a driver touches only memory that it owns or was lent.
//!
//! zoo: rule=guard-page-hit also=bug-check
#![no_std]
#![no_main]

use zoo::prelude::*;

struct GuardPageHit;

impl Animal for GuardPageHit {
    unsafe fn trick(adapter: *mut Adapter, _srb: Srb) {
        let nobody = (*adapter).memory.cast::<u8>();
        nobody.write_volatile(1);
    }
}

zoo::exhibit!(GuardPageHit);
