//! Frees contiguous memory with another size than it was allocated with.
//!
//! Documented with `StorPortFreeContiguousMemorySpecifyCache`: NumberOfBytes is the size of the allocation.
//!
//! zoo: rule=memory-bad-free also=memory-leaked
#![no_std]
#![no_main]

use zoo::prelude::*;

struct MemoryBadFreeSize;

impl Animal for MemoryBadFreeSize {
    unsafe fn passive_initialize(adapter: *mut Adapter) -> bool {
        let mut memory: PVOID = ptr::null_mut();
        StorPortExtendedFunction(
            Function::ExtFunctionAllocateContiguousMemorySpecifyCacheNode,
            adapter.cast(),
            4096_usize,
            0_u64,
            u64::MAX,
            0_u64,
            1_u32,
            0_u32,
            &raw mut memory,
        );
        StorPortExtendedFunction(
            Function::ExtFunctionFreeContiguousMemorySpecifyCache,
            adapter.cast(),
            memory,
            2048_usize,
            1_u32,
        );
        true
    }
}

zoo::exhibit!(MemoryBadFreeSize);
