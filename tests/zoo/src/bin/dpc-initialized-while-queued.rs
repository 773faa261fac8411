//! Initialises a DPC again while it is queued.
//!
//! Documented with `StorPortInitializeDpc`: once, before the DPC is issued.
//!
//! zoo: rule=dpc-initialized-while-queued
#![no_std]
#![no_main]

use zoo::prelude::*;

unsafe extern "C" fn idle(_dpc: *mut STOR_DPC, _extension: PVOID, _first: PVOID, _second: PVOID) {}

struct DpcInitializedWhileQueued;

impl Animal for DpcInitializedWhileQueued {
    unsafe fn passive_initialize(adapter: *mut Adapter) -> bool {
        let mut handle: STOR_LOCK_HANDLE = core::mem::zeroed();
        ddi::initialize_dpc(adapter, Some(idle));
        // At DISPATCH_LEVEL it stays queued.
        ddi::acquire(adapter, SpinLock::StartIoLock, &raw mut handle);
        ddi::issue_dpc(adapter, ptr::null_mut());
        ddi::initialize_dpc(adapter, Some(idle));
        ddi::release(adapter, &raw mut handle);
        true
    }
}

zoo::exhibit!(DpcInitializedWhileQueued);
