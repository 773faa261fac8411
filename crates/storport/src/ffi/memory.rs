//! Memory, MDLs, scatter/gather lists, dump memory.

use core::{ffi::c_void, ptr};

use wdk_sys::{
    _STORPORT_FUNCTION_CODE as Function, ACCESS_RANGE, BOOLEAN, PVOID, STOR_SCATTER_GATHER_LIST,
    storage::StorPortExtendedFunction,
};

/// The routine of `StorPortBuildScatterGatherList`: device object and IRP (to be ignored), the list, the context.
pub(crate) type ScatterGatherRoutine =
    unsafe extern "C" fn(*mut PVOID, *mut PVOID, *mut STOR_SCATTER_GATHER_LIST, PVOID);

/// `StorPortAllocatePool`. IRQL <= DISPATCH.
///
/// # Safety
/// `extension` is a live device extension.
pub(crate) unsafe fn allocate_pool(extension: PVOID, length: u32, tag: u32, memory: &mut PVOID) -> u32 {
    // SAFETY: the arguments are the documented ones; `memory` outlives the call.
    unsafe {
        StorPortExtendedFunction(
            Function::ExtFunctionAllocatePool,
            extension,
            length,
            tag,
            ptr::from_mut(memory),
        )
    }
}

/// `StorPortFreePool`. IRQL <= DISPATCH.
///
/// # Safety
/// `extension` is live, `memory` came from [`allocate_pool`] for it and is used by nobody afterwards.
pub(crate) unsafe fn free_pool(extension: PVOID, memory: PVOID) -> u32 {
    // SAFETY: the arguments are the documented ones.
    unsafe { StorPortExtendedFunction(Function::ExtFunctionFreePool, extension, memory) }
}

/// Where contiguous memory is to lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placement {
    pub(crate) length: usize,
    pub(crate) lowest: u64,
    pub(crate) highest: u64,
    pub(crate) boundary: u64,
    pub(crate) cache: u32,
    pub(crate) node: u32,
}

/// `StorPortAllocateContiguousMemorySpecifyCacheNode`. IRQL <= DISPATCH.
///
/// # Safety
/// `extension` is a live device extension.
pub(crate) unsafe fn allocate_contiguous(extension: PVOID, place: &Placement, memory: &mut PVOID) -> u32 {
    // SAFETY: the arguments are the documented ones (a PHYSICAL_ADDRESS is passed as its 64 bits); `memory` outlives the call.
    unsafe {
        StorPortExtendedFunction(
            Function::ExtFunctionAllocateContiguousMemorySpecifyCacheNode,
            extension,
            place.length,
            place.lowest,
            place.highest,
            place.boundary,
            place.cache,
            place.node,
            ptr::from_mut(memory),
        )
    }
}

/// `StorPortFreeContiguousMemorySpecifyCache`. IRQL <= DISPATCH.
///
/// # Safety
/// `extension` is live; `memory` of `length` bytes came from [`allocate_contiguous`] with that cache type, and is used
/// by nobody afterwards.
pub(crate) unsafe fn free_contiguous(extension: PVOID, memory: PVOID, length: usize, cache: u32) -> u32 {
    // SAFETY: the arguments are the documented ones.
    unsafe {
        StorPortExtendedFunction(
            Function::ExtFunctionFreeContiguousMemorySpecifyCache,
            extension,
            memory,
            length,
            cache,
        )
    }
}

/// `StorPortAllocateDmaMemory` \[I\]. IRQL <= DISPATCH.
///
/// # Safety
/// `extension` is a live device extension.
#[cfg(feature = "inferred-ddi")]
pub(crate) unsafe fn allocate_dma_memory(
    extension: PVOID,
    place: &Placement,
    memory: &mut PVOID,
    bus_address: &mut u64,
) -> u32 {
    // SAFETY: the arguments are the documented ones; both places outlive the call.
    unsafe {
        StorPortExtendedFunction(
            Function::ExtFunctionAllocateDmaMemory,
            extension,
            place.length,
            place.lowest,
            place.highest,
            place.boundary,
            place.cache,
            place.node,
            ptr::from_mut(memory),
            ptr::from_mut(bus_address),
        )
    }
}

/// `StorPortFreeDmaMemory` \[I\]. IRQL <= DISPATCH.
///
/// # Safety
/// As [`free_contiguous`], for memory of [`allocate_dma_memory`] at `bus_address`.
#[cfg(feature = "inferred-ddi")]
pub(crate) unsafe fn free_dma_memory(
    extension: PVOID,
    memory: PVOID,
    length: usize,
    cache: u32,
    bus_address: u64,
) -> u32 {
    // SAFETY: the arguments are the documented ones.
    unsafe {
        StorPortExtendedFunction(
            Function::ExtFunctionFreeDmaMemory,
            extension,
            memory,
            length,
            cache,
            bus_address,
        )
    }
}

/// What is asked of `StorPortAllocateHostMemoryBuffer`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HostBufferWish {
    pub(crate) minimum: usize,
    pub(crate) preferred: usize,
    pub(crate) utilization: usize,
    pub(crate) alignment: usize,
    pub(crate) lowest: u64,
    pub(crate) highest: u64,
}

/// `StorPortAllocateHostMemoryBuffer`.
///
/// # Safety
/// `extension` is live; `ranges` has room for `count` elements.
pub(crate) unsafe fn allocate_host_buffer(
    extension: PVOID,
    wish: &HostBufferWish,
    ranges: *mut ACCESS_RANGE,
    count: &mut u32,
) -> u32 {
    /// Not used, and documented to be 0.
    const BOUNDARY: u64 = 0;
    // SAFETY: the arguments are the documented ones; both places outlive the call.
    unsafe {
        StorPortExtendedFunction(
            Function::ExtFunctionAllocateHmb,
            extension,
            wish.minimum,
            wish.preferred,
            wish.utilization,
            wish.alignment,
            wish.lowest,
            wish.highest,
            BOUNDARY,
            ranges,
            ptr::from_mut(count),
        )
    }
}

/// `StorPortFreeHostMemoryBuffer`.
///
/// # Safety
/// `extension` is live; the `count` ranges came from [`allocate_host_buffer`], and the device uses them no more.
pub(crate) unsafe fn free_host_buffer(extension: PVOID, ranges: *mut ACCESS_RANGE, count: u32) -> u32 {
    // SAFETY: the arguments are the documented ones.
    unsafe { StorPortExtendedFunction(Function::ExtFunctionFreeHmb, extension, ranges, count) }
}

/// `StorPortAllocateMdl`. IRQL <= DISPATCH.
///
/// # Safety
/// `extension` is live; `memory` has `length` bytes of non-paged pool.
pub(crate) unsafe fn allocate_mdl(extension: PVOID, memory: PVOID, length: u32, mdl: &mut PVOID) -> u32 {
    // SAFETY: the arguments are the documented ones; `mdl` outlives the call.
    unsafe {
        StorPortExtendedFunction(
            Function::ExtFunctionAllocateMdl,
            extension,
            memory,
            length,
            ptr::from_mut(mdl),
        )
    }
}

/// `StorPortBuildMdlForNonPagedPool`. IRQL <= DISPATCH.
///
/// # Safety
/// `extension` is live; `mdl` came from [`allocate_mdl`] and its memory lives.
pub(crate) unsafe fn build_mdl(extension: PVOID, mdl: PVOID) -> u32 {
    // SAFETY: the arguments are the documented ones.
    unsafe { StorPortExtendedFunction(Function::ExtFunctionBuildMdlForNonPagedPool, extension, mdl) }
}

/// `StorPortFreeMdl`. IRQL <= DISPATCH.
///
/// # Safety
/// `extension` is live; `mdl` came from [`allocate_mdl`] and is used by nobody afterwards.
pub(crate) unsafe fn free_mdl(extension: PVOID, mdl: PVOID) -> u32 {
    // SAFETY: the arguments are the documented ones.
    unsafe { StorPortExtendedFunction(Function::ExtFunctionFreeMdl, extension, mdl) }
}

/// What a scatter/gather list is built for, and where.
pub(crate) struct ListWish {
    pub(crate) mdl: PVOID,
    pub(crate) address: PVOID,
    pub(crate) length: u32,
    pub(crate) routine: ScatterGatherRoutine,
    pub(crate) context: PVOID,
    pub(crate) to_device: BOOLEAN,
    pub(crate) list: PVOID,
    pub(crate) list_length: u32,
}

/// `StorPortBuildScatterGatherList`. IRQL = DISPATCH.
///
/// # Safety
/// `extension` is live; the memory, its MDL, the list's buffer and the context live until the list is put back.
pub(crate) unsafe fn build_scatter_gather_list(extension: PVOID, wish: &ListWish) -> u32 {
    // SAFETY: the arguments are the documented ones.
    unsafe {
        StorPortExtendedFunction(
            Function::ExtFunctionBuildScatterGatherList,
            extension,
            wish.mdl,
            wish.address,
            wish.length,
            wish.routine as *mut c_void,
            wish.context,
            u32::from(wish.to_device),
            wish.list,
            wish.list_length,
        )
    }
}

/// `StorPortPutScatterGatherList`. IRQL = DISPATCH.
///
/// # Safety
/// `extension` is live; `list` was built by [`build_scatter_gather_list`], with that direction, and is used by nobody afterwards.
pub(crate) unsafe fn put_scatter_gather_list(
    extension: PVOID,
    list: *mut STOR_SCATTER_GATHER_LIST,
    to_device: BOOLEAN,
) -> u32 {
    // SAFETY: the arguments are the documented ones.
    unsafe {
        StorPortExtendedFunction(
            Function::ExtFunctionPutScatterGatherList,
            extension,
            list,
            u32::from(to_device),
        )
    }
}

/// A query of an SRB that answers with one pointer: MDLs, system addresses, scatter/gather lists.
///
/// # Safety
/// `function` is one of those of [`srb_query`]; `extension` is live; `srb` is an SRB that the caller owns.
unsafe fn query(function: i32, extension: PVOID, srb: PVOID, answer: &mut PVOID) -> u32 {
    // SAFETY: the arguments are the documented ones; `answer` outlives the call.
    unsafe { StorPortExtendedFunction(function, extension, srb, ptr::from_mut(answer)) }
}

/// Declares the calls of the form `(HwDeviceExtension, Srb, *Answer)`.
macro_rules! srb_query {
    ($($(#[$meta:meta])* $name:ident = $function:ident;)+) => {
        $(
            $(#[$meta])*
            ///
            /// # Safety
            /// `extension` is live; `srb` is an SRB that the caller owns.
            pub(crate) unsafe fn $name(extension: PVOID, srb: PVOID, answer: &mut PVOID) -> u32 {
                // SAFETY: the caller's promise.
                unsafe { query(Function::$function, extension, srb, answer) }
            }
        )+
    };
}

srb_query! {
    /// `StorPortGetOriginalMdl`.
    get_original_mdl = ExtFunctionGetOriginalMdl;
    /// `StorPortGetSystemAddress`. IRQL <= DISPATCH.
    get_system_address = ExtFunctionGetSystemAddress;
    /// `StorPortGetDataInBufferMdl`. Any IRQL.
    get_data_in_mdl = ExtFunctionGetDataInBufferMdl;
    /// `StorPortGetDataInBufferSystemAddress`. IRQL <= DISPATCH.
    get_data_in_system_address = ExtFunctionGetDataInBufferSystemAddress;
    /// `StorPortGetDataInBufferScatterGatherList`. Any IRQL.
    get_data_in_scatter_gather = ExtFunctionGetDataInBufferScatterGatherList;
}

/// The answer of `StorPortGetPfns`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageFrames {
    pub(crate) numbers: *const u64,
    pub(crate) count: u32,
    pub(crate) offset: u32,
}

/// `StorPortGetPfns`.
///
/// # Safety
/// `extension` is live; `srb` is an SRB that the caller owns, `mdl` one of its MDLs.
pub(crate) unsafe fn get_pfns(extension: PVOID, srb: PVOID, mdl: PVOID) -> (u32, PageFrames) {
    let mut frames = PageFrames {
        numbers: ptr::null(),
        count: 0,
        offset: 0,
    };
    // SAFETY: the arguments are the documented ones; the three places outlive the call.
    let status = unsafe {
        StorPortExtendedFunction(
            Function::ExtFunctionGetPfns,
            extension,
            srb,
            mdl,
            &raw mut frames.numbers,
            &raw mut frames.count,
            &raw mut frames.offset,
        )
    };
    (status, frames)
}

/// `StorPortMarkDumpMemory`, by virtual address. `DriverEntry` and `HwStorFindAdapter` only.
///
/// # Safety
/// `extension` is live; `memory` is memory of the miniport.
pub(crate) unsafe fn mark_dump_memory(extension: PVOID, memory: PVOID, length: u64) -> u32 {
    const FLAGS: u32 = 0;
    // SAFETY: the arguments are the documented ones.
    unsafe {
        StorPortExtendedFunction(
            Function::ExtFunctionMarkDumpMemory,
            extension,
            memory,
            length,
            FLAGS,
        )
    }
}
