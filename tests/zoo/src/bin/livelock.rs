//! Waits in `HwStorStartIo` for its own DPC, which runs on this processor and has to wait for it.
//!
//! Documented with IRQL and DPCs: at DISPATCH_LEVEL no DPC runs on the processor. That waits end is the lab's own rule.
//!
//! zoo: rule=livelock also=callback-too-long+stall-total-too-long+srb-not-completed-at-removal+work-item-after-removal+dpc-after-removal+requests-block-stop+removal-refused+callback-failed
#![no_std]
#![no_main]

use zoo::prelude::*;

unsafe extern "C" fn done(_dpc: *mut STOR_DPC, extension: PVOID, _first: PVOID, _second: PVOID) {
    (*extension.cast::<Adapter>()).words[0] = 1;
}

struct Livelock;

impl Animal for Livelock {
    unsafe fn passive_initialize(adapter: *mut Adapter) -> bool {
        ddi::initialize_dpc(adapter, Some(done));
        true
    }

    unsafe fn trick(adapter: *mut Adapter, _srb: Srb) {
        ddi::issue_dpc(adapter, ptr::null_mut());
        let flag = (&raw mut (*adapter).words).cast::<u64>();
        while flag.read_volatile() == 0 {
            StorPortStallExecution(10);
        }
    }
}

zoo::exhibit!(Livelock);
