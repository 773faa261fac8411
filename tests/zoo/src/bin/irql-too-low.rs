//! Builds a scatter/gather list at PASSIVE_LEVEL.
//!
//! Documented with `StorPortBuildScatterGatherList`: IRQL = DISPATCH_LEVEL.
//!
//! zoo: rule=irql-too-low
#![no_std]
#![no_main]

use zoo::prelude::*;

unsafe extern "C" fn listed(_device: PVOID, _irp: PVOID, _list: PVOID, _context: PVOID) {}

struct IrqlTooLow;

impl Animal for IrqlTooLow {
    unsafe fn passive_initialize(adapter: *mut Adapter) -> bool {
        let memory = ddi::allocate_pool(adapter, 4096);
        let mut mdl: PVOID = ptr::null_mut();
        StorPortExtendedFunction(
            Function::ExtFunctionAllocateMdl,
            adapter.cast(),
            memory,
            4096_u32,
            &raw mut mdl,
        );
        StorPortExtendedFunction(Function::ExtFunctionBuildMdlForNonPagedPool, adapter.cast(), mdl);
        StorPortExtendedFunction(
            Function::ExtFunctionBuildScatterGatherList,
            adapter.cast(),
            mdl,
            memory,
            4096_u32,
            listed as *mut c_void,
            ptr::null_mut::<c_void>(),
            1_u32,
            (&raw mut (*adapter).blocks).cast::<c_void>(),
            1024_u32,
        );
        StorPortExtendedFunction(Function::ExtFunctionFreeMdl, adapter.cast(), mdl);
        ddi::free_pool(adapter, memory);
        true
    }
}

zoo::exhibit!(IrqlTooLow);
