//! Never frees its worker.
//!
//! Documented with `StorPortInitializeWorker`: freed when it is not needed any more, at the latest on the removal request.
//!
//! zoo: rule=worker-leaked
#![no_std]
#![no_main]

use zoo::prelude::*;

struct WorkerLeaked;

impl Animal for WorkerLeaked {
    unsafe fn passive_initialize(adapter: *mut Adapter) -> bool {
        ddi::initialize_worker(adapter) == 0
    }
}

zoo::exhibit!(WorkerLeaked);
