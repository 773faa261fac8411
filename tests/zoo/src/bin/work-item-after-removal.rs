//! Its work item is still at it when the adapter is gone, and with it the code and the extension that it uses.
//!
//! Documented with `StorPortQueueWorkItem` (no item is queued once the device is being removed) and the removal request.
//!
//! zoo: rule=work-item-after-removal also=worker-leaked
#![no_std]
#![no_main]

use zoo::prelude::*;

unsafe extern "C" fn linger(_extension: PVOID, _context: PVOID, _worker: PVOID) {
    for _ in 0..30_000 {
        StorPortStallExecution(999);
    }
}

struct WorkItemAfterRemoval;

impl Animal for WorkItemAfterRemoval {
    unsafe fn start_io(adapter: *mut Adapter, srb: Srb) -> bool {
        // A unit's removal: the adapter's own follows.
        if (*srb).Function == disk::function::PNP && (*adapter).worker.is_null() {
            ddi::initialize_worker(adapter);
            ddi::queue_work_item(adapter, Some(linger));
        }
        disk::start::<Self>(adapter, srb);
        true
    }
}

zoo::exhibit!(WorkItemAfterRemoval);
