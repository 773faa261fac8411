//! Frees pool memory twice.
//!
//! Documented with `StorPortFreePool`: BufferPointer is memory of `StorPortAllocatePool`.
//!
//! zoo: rule=memory-bad-free
#![no_std]
#![no_main]

use zoo::prelude::*;

struct MemoryBadFree;

impl Animal for MemoryBadFree {
    unsafe fn passive_initialize(adapter: *mut Adapter) -> bool {
        let memory = ddi::allocate_pool(adapter, 256);
        ddi::free_pool(adapter, memory);
        ddi::free_pool(adapter, memory);
        true
    }
}

zoo::exhibit!(MemoryBadFree);
