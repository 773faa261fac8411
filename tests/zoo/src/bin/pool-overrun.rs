//! Writes one byte beyond its pool memory.
//!
//! Documented with `StorPortAllocatePool`: NumberOfBytes is what there is.
//!
//! zoo: rule=pool-overrun also=guard-page-hit+bug-check
#![no_std]
#![no_main]

use zoo::prelude::*;

struct PoolOverrun;

impl Animal for PoolOverrun {
    unsafe fn passive_initialize(adapter: *mut Adapter) -> bool {
        let memory = ddi::allocate_pool(adapter, 100);
        memory.cast::<u8>().add(100).write_volatile(0);
        ddi::free_pool(adapter, memory);
        true
    }
}

zoo::exhibit!(PoolOverrun);
