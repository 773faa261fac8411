//! Odd, and right: a work item queues its own worker again, and the second time frees it, which the pages allow in the callback.
//! The first INQUIRY waits for that, so that no removal comes before it.
//!
//! zoo: rule=none
#![no_std]
#![no_main]

use zoo::prelude::*;

/// How often the work item ran.
const RUNS: usize = 0;

unsafe extern "C" fn work(extension: PVOID, _context: PVOID, _worker: PVOID) {
    let adapter = extension.cast::<Adapter>();
    (*adapter).words[RUNS] += 1;
    if (*adapter).words[RUNS] == 1 {
        ddi::queue_work_item(adapter, Some(work));
        return;
    }
    ddi::free_worker(adapter);
    let mut handle: STOR_LOCK_HANDLE = core::mem::zeroed();
    ddi::acquire(adapter, SpinLock::StartIoLock, &raw mut handle);
    for index in 0..zoo::animal::HELD {
        let slot = (&raw mut (*adapter).held).cast::<Srb>().add(index);
        let srb = core::mem::take(&mut *slot);
        if !srb.is_null() {
            disk::start::<RightWorkerFreesItself>(adapter, srb);
        }
    }
    ddi::release(adapter, &raw mut handle);
}

struct RightWorkerFreesItself;

impl Animal for RightWorkerFreesItself {
    unsafe fn start_io(adapter: *mut Adapter, srb: Srb) -> bool {
        let is_inquiry =
            (*srb).Function == disk::function::EXECUTE_SCSI && (*srb).Cdb[0] == disk::opcode::INQUIRY;
        if is_inquiry && !(*adapter).tricked {
            (*adapter).tricked = true;
            disk::hold::<Self>(adapter, srb);
            ddi::initialize_worker(adapter);
            ddi::queue_work_item(adapter, Some(work));
            return true;
        }
        disk::start::<Self>(adapter, srb);
        true
    }
}

zoo::exhibit!(RightWorkerFreesItself);
