//! Frees a worker twice.
//!
//! Documented with `StorPortFreeWorker`: STOR_STATUS_UNSUCCESSFUL, the worker is free already.
//!
//! zoo: rule=worker-freed-twice
#![no_std]
#![no_main]

use zoo::prelude::*;

struct WorkerFreedTwice;

impl Animal for WorkerFreedTwice {
    unsafe fn passive_initialize(adapter: *mut Adapter) -> bool {
        ddi::initialize_worker(adapter);
        ddi::free_worker(adapter);
        ddi::free_worker(adapter);
        true
    }
}

zoo::exhibit!(WorkerFreedTwice);
