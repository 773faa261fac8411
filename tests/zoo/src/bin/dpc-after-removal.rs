//! Issues a DPC in `ScsiStopAdapter`, the last callback of its life: the DPC object lies in the extension that goes.
//!
//! Documented with `StorPortInitializeDpc` and `ScsiStopAdapter`: nothing of the adapter runs afterwards.
//!
//! zoo: rule=dpc-after-removal seeds=0..64 also=guard-page-hit+bug-check
#![no_std]
#![no_main]

use zoo::prelude::*;

unsafe extern "C" fn idle(_dpc: *mut STOR_DPC, _extension: PVOID, _first: PVOID, _second: PVOID) {}

struct DpcAfterRemoval;

impl Animal for DpcAfterRemoval {
    unsafe fn passive_initialize(adapter: *mut Adapter) -> bool {
        ddi::initialize_dpc(adapter, Some(idle));
        true
    }

    unsafe fn control(adapter: *mut Adapter, kind: i32, parameters: PVOID) -> i32 {
        let done = callbacks::control::<Self>(adapter, kind, parameters);
        if kind == ControlType::ScsiStopAdapter {
            ddi::issue_dpc(adapter, ptr::null_mut());
        }
        done
    }
}

zoo::exhibit!(DpcAfterRemoval);
