//! Odd, and right: a work item queues its own worker again, and the second time frees it, which the pages allow in the callback.
//!
//! zoo: rule=none
#![no_std]
#![no_main]

use zoo::prelude::*;

unsafe extern "C" fn work(extension: PVOID, _context: PVOID, _worker: PVOID) {
    let adapter = extension.cast::<Adapter>();
    (*adapter).words[0] += 1;
    if (*adapter).words[0] == 1 {
        ddi::queue_work_item(adapter, Some(work));
    } else {
        ddi::free_worker(adapter);
    }
}

struct RightWorkerFreesItself;

impl Animal for RightWorkerFreesItself {
    // Long before the removal, which has to find it free.
    unsafe fn passive_initialize(adapter: *mut Adapter) -> bool {
        ddi::initialize_worker(adapter) == 0 && ddi::queue_work_item(adapter, Some(work)) == 0
    }
}

zoo::exhibit!(RightWorkerFreesItself);
