//! Leaves the requests of a reset to a work item that runs a moment after the reset was reported.
//!
//! `HwStorResetBus` completes them before it returns; that Storport would bear a short delay is nowhere said.
//!
//! zoo: rule=completed-after-reset seeds=0..64 also=srb-not-completed-by-reset+srb-completed-twice+worker-freed-while-queued+worker-leaked+guard-page-hit+bug-check
#![no_std]
#![no_main]

use zoo::prelude::*;

unsafe extern "C" fn later(extension: PVOID, _context: PVOID, _worker: PVOID) {
    disk::release::<CompletedAfterReset>(extension.cast(), status::BUS_RESET);
}

struct CompletedAfterReset;

impl Animal for CompletedAfterReset {
    unsafe fn passive_initialize(adapter: *mut Adapter) -> bool {
        ddi::initialize_worker(adapter) == 0
    }

    unsafe fn reset_bus(adapter: *mut Adapter, _path: ULONG) -> bool {
        ddi::queue_work_item(adapter, Some(later)) == 0
    }

    unsafe fn remove(adapter: *mut Adapter) {
        ddi::free_worker(adapter);
    }
}

zoo::exhibit!(CompletedAfterReset);
