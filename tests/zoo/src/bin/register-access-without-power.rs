//! Its timer looks at a register ten times a second, also while the adapter is in D3.
//!
//! That a function in D3 does not answer is in the PCI Power Management specification; the rule is inferred from it.
//!
//! zoo: rule=register-access-without-power life=power also=guard-page-hit+bug-check
#![no_std]
#![no_main]

use zoo::prelude::*;

unsafe extern "C" fn tick(extension: PVOID, _context: PVOID) {
    let adapter = extension.cast::<Adapter>();
    (*adapter).registers.cast::<u32>().read_volatile();
    ddi::request_timer(adapter, Some(tick), 100_000);
}

struct RegisterAccessWithoutPower;

impl Animal for RegisterAccessWithoutPower {
    unsafe fn passive_initialize(adapter: *mut Adapter) -> bool {
        ddi::initialize_timer(adapter);
        ddi::request_timer(adapter, Some(tick), 100_000) == 0
    }

    unsafe fn remove(adapter: *mut Adapter) {
        ddi::request_timer(adapter, Some(tick), 0);
        ddi::free_timer(adapter);
    }
}

zoo::exhibit!(RegisterAccessWithoutPower);
