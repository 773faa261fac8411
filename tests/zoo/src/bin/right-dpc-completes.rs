//! Odd, and right: gives requests back from a DPC, one at a time; the DPC that is queued already takes the next one along.
//!
//! zoo: rule=none
#![no_std]
#![no_main]

use zoo::prelude::*;

unsafe extern "C" fn deliver(_dpc: *mut STOR_DPC, extension: PVOID, _first: PVOID, _second: PVOID) {
    let adapter = extension.cast::<Adapter>();
    let mut handle: STOR_LOCK_HANDLE = core::mem::zeroed();
    ddi::acquire(adapter, SpinLock::StartIoLock, &raw mut handle);
    for index in 0..zoo::animal::HELD {
        let slot = (&raw mut (*adapter).held).cast::<Srb>().add(index);
        let srb = *slot;
        if !srb.is_null() && (*srb).Cdb[0] == disk::opcode::INQUIRY {
            *slot = ptr::null_mut();
            disk::start::<RightDpcCompletes>(adapter, srb);
        }
    }
    ddi::release(adapter, &raw mut handle);
}

struct RightDpcCompletes;

impl Animal for RightDpcCompletes {
    unsafe fn passive_initialize(adapter: *mut Adapter) -> bool {
        ddi::initialize_dpc(adapter, Some(deliver));
        true
    }

    unsafe fn start_io(adapter: *mut Adapter, srb: Srb) -> bool {
        if (*srb).Function == disk::function::EXECUTE_SCSI && (*srb).Cdb[0] == disk::opcode::INQUIRY {
            disk::hold::<Self>(adapter, srb);
            ddi::issue_dpc(adapter, ptr::null_mut());
            return true;
        }
        disk::start::<Self>(adapter, srb);
        true
    }
}

zoo::exhibit!(RightDpcCompletes);
