//! Allocates no bytes.
//!
//! Documented with `StorPortAllocatePool`: NumberOfBytes is the size of the allocation.
//!
//! zoo: rule=pool-zero-size
#![no_std]
#![no_main]

use zoo::prelude::*;

struct PoolZeroSize;

impl Animal for PoolZeroSize {
    unsafe fn passive_initialize(adapter: *mut Adapter) -> bool {
        let memory = ddi::allocate_pool(adapter, 0);
        if !memory.is_null() {
            ddi::free_pool(adapter, memory);
        }
        true
    }
}

zoo::exhibit!(PoolZeroSize);
