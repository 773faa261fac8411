//! Goes on with the registers that it mapped before its resources were assigned anew.
//!
//! Documented with `ScsiStopAdapter`: when the adapter is stopped for new resources, Storport releases the old ones.
//!
//! zoo: rule=register-range-released life=rebalance also=guard-page-hit+bug-check
#![no_std]
#![no_main]

use zoo::prelude::*;

struct RegisterRangeReleased;

impl Animal for RegisterRangeReleased {
    unsafe fn found(adapter: *mut Adapter, _configuration: &mut PORT_CONFIGURATION_INFORMATION) {
        if (*adapter).memory.is_null() {
            (*adapter).memory = (*adapter).registers.cast();
        }
    }

    unsafe fn complete(adapter: *mut Adapter, srb: Srb) {
        if (*srb).Function == disk::function::EXECUTE_SCSI && (*srb).Cdb[0] == disk::opcode::TEST_UNIT_READY {
            (*adapter).memory.cast::<u32>().read_volatile();
        }
        ddi::complete(adapter, srb);
    }
}

zoo::exhibit!(RegisterRangeReleased);
