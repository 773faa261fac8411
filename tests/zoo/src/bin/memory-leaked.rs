//! Never frees its pool memory.
//!
//! Documented with `StorPortAllocatePool`: what is allocated is freed by `StorPortFreePool`.
//!
//! zoo: rule=memory-leaked
#![no_std]
#![no_main]

use zoo::prelude::*;

struct MemoryLeaked;

impl Animal for MemoryLeaked {
    unsafe fn passive_initialize(adapter: *mut Adapter) -> bool {
        !ddi::allocate_pool(adapter, 256).is_null()
    }
}

zoo::exhibit!(MemoryLeaked);
