//! Frees a worker that it has just queued, and once more when that is refused and the work is done.
//!
//! Documented with `StorPortFreeWorker`: STOR_STATUS_BUSY, the worker is queued.
//!
//! zoo: rule=worker-freed-while-queued also=worker-leaked
#![no_std]
#![no_main]

use zoo::prelude::*;

unsafe extern "C" fn work(_extension: PVOID, _context: PVOID, _worker: PVOID) {}

struct WorkerFreedWhileQueued;

impl Animal for WorkerFreedWhileQueued {
    unsafe fn trick(adapter: *mut Adapter, _srb: Srb) {
        ddi::initialize_worker(adapter);
        ddi::queue_work_item(adapter, Some(work));
        ddi::free_worker(adapter);
    }

    unsafe fn remove(adapter: *mut Adapter) {
        ddi::free_worker(adapter);
    }
}

zoo::exhibit!(WorkerFreedWhileQueued);
