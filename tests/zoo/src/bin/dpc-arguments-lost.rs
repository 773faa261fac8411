//! Issues a DPC twice and tells it two things: it hears the first.
//!
//! Documented with `StorPortIssueDpc`: FALSE, the DPC is queued already; that the loss matters is inferred.
//!
//! zoo: rule=dpc-arguments-lost
#![no_std]
#![no_main]

use zoo::prelude::*;

unsafe extern "C" fn idle(_dpc: *mut STOR_DPC, _extension: PVOID, _first: PVOID, _second: PVOID) {}

struct DpcArgumentsLost;

impl Animal for DpcArgumentsLost {
    unsafe fn passive_initialize(adapter: *mut Adapter) -> bool {
        ddi::initialize_dpc(adapter, Some(idle));
        true
    }

    unsafe fn trick(adapter: *mut Adapter, _srb: Srb) {
        ddi::issue_dpc(adapter, 1 as PVOID);
        ddi::issue_dpc(adapter, 2 as PVOID);
    }
}

zoo::exhibit!(DpcArgumentsLost);
