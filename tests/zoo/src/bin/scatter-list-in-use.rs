//! Frees an MDL while a scatter/gather list is built on it.
//!
//! Documented with `StorPortBuildScatterGatherList` and `StorPortPutScatterGatherList`: the list is put back first.
//!
//! zoo: rule=scatter-list-in-use
#![no_std]
#![no_main]

use zoo::prelude::*;

unsafe extern "C" fn listed(_device: PVOID, _irp: PVOID, _list: PVOID, _context: PVOID) {}

struct ScatterListInUse;

impl Animal for ScatterListInUse {
    unsafe fn trick(adapter: *mut Adapter, _srb: Srb) {
        let memory = ddi::allocate_pool(adapter, 4096);
        let list = ddi::allocate_pool(adapter, 1024);
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
            list,
            1024_u32,
        );
        StorPortExtendedFunction(Function::ExtFunctionFreeMdl, adapter.cast(), mdl);
        (*adapter).memory = memory;
        (*adapter).words[0] = list as u64;
    }

    unsafe fn remove(adapter: *mut Adapter) {
        let list = (*adapter).words[0] as PVOID;
        StorPortExtendedFunction(
            Function::ExtFunctionPutScatterGatherList,
            adapter.cast(),
            list,
            1_u32,
        );
        ddi::free_pool(adapter, list);
        ddi::free_pool(adapter, (*adapter).memory);
    }
}

zoo::exhibit!(ScatterListInUse);
