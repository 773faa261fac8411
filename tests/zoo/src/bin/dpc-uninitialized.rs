//! Issues a DPC that it never initialised.
//!
//! Documented with `StorPortIssueDpc`: the DPC is one of `StorPortInitializeDpc`.
//!
//! zoo: rule=dpc-uninitialized
#![no_std]
#![no_main]

use zoo::prelude::*;

struct DpcUninitialized;

impl Animal for DpcUninitialized {
    unsafe fn trick(adapter: *mut Adapter, _srb: Srb) {
        ddi::issue_dpc(adapter, ptr::null_mut());
    }
}

zoo::exhibit!(DpcUninitialized);
