//! Writes to pool memory that it has freed.
//!
//! Documented with `StorPortFreePool`: the memory is not the driver's any more.
//!
//! zoo: rule=pool-use-after-free also=guard-page-hit+bug-check
#![no_std]
#![no_main]

use zoo::prelude::*;

struct PoolUseAfterFree;

impl Animal for PoolUseAfterFree {
    unsafe fn passive_initialize(adapter: *mut Adapter) -> bool {
        let memory = ddi::allocate_pool(adapter, 256);
        ddi::free_pool(adapter, memory);
        memory.cast::<u8>().write_volatile(0);
        true
    }
}

zoo::exhibit!(PoolUseAfterFree);
