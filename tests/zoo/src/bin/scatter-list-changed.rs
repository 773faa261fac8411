//! Shortens the first piece of a request's scatter/gather list, for its own book-keeping.
//!
//! Documented with `StorPortGetScatterGatherList`: the list is Storport's, the miniport does not change it.
//!
//! zoo: rule=scatter-list-changed
#![no_std]
#![no_main]

use zoo::prelude::*;

struct ScatterListChanged;

impl Animal for ScatterListChanged {
    unsafe fn build_io(adapter: *mut Adapter, srb: Srb) -> bool {
        let list = StorPortGetScatterGatherList(adapter.cast(), srb);
        if !list.is_null() {
            let first = list.add(1).cast::<zoo::wdk_sys::STOR_SCATTER_GATHER_ELEMENT>();
            (*first).Length -= 1;
        }
        true
    }
}

zoo::exhibit!(ScatterListChanged);
