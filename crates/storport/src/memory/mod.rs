//! Memory: what a miniport allocates, what the device sees of it, and who frees it.
//!
//! Every allocation is owned by a slot of the framework ([`Slots`](crate::miniport::Slots), fourth number), which the
//! adapter knows by a handle without drop glue: an index with a generation. It is used through a context, inside a
//! closure; it is freed by an explicit call at `DISPATCH_LEVEL` or below, or by the framework when the adapter is removed, and in
//! either case not before the last closure that uses it has ended. A handle that outlives its allocation finds
//! nothing; freeing twice is an error and no more.
//!
//! | call (page of the DDI reference) | here | IRQL |
//! | --- | --- | --- |
//! | `StorPortAllocatePool`, `StorPortFreePool` | `Context::allocate_pool`, `with_pool` (any), `free_pool` | <= DISPATCH |
//! | `StorPortAllocateContiguousMemorySpecifyCacheNode`, `StorPortFreeContiguousMemorySpecifyCache` | `Context::allocate_contiguous`, `with_contiguous` (any), `free_contiguous` | <= DISPATCH |
//! | `StorPortAllocateDmaMemory`, `StorPortFreeDmaMemory` (1803; codes \[I\]) | `Context::allocate_dma_memory`, feature `inferred-ddi` | <= DISPATCH |
//! | `StorPortAllocateHostMemoryBuffer`, `StorPortFreeHostMemoryBuffer` | `Context::allocate_host_buffer`, `host_buffer_range` (any), `free_host_buffer` | <= DISPATCH, not on the page |
//! | `StorPortAllocateMdl`, `StorPortBuildMdlForNonPagedPool`, `StorPortFreeMdl` | `Context::describe_pool`, `free_mdl` | <= DISPATCH |
//! | `StorPortBuildScatterGatherList`, `StorPortPutScatterGatherList` | `Context::build_scatter_gather`, `with_scatter_gather`, `put_scatter_gather` | = DISPATCH |
//! | `StorPortGetOriginalMdl`, `StorPortGetPfns` | `Srb::original_mdl`, `Srb::pages` | <= DISPATCH, not on the page |
//! | `StorPortGetSystemAddress` | `Srb::map_data_buffer` | <= DISPATCH |
//! | `StorPortGetDataInBufferMdl`, `...ScatterGatherList` | `Srb::data_in_mdl`, `Srb::data_in_scatter_gather` | any |
//! | `StorPortGetDataInBufferSystemAddress` | `Srb::map_data_in_buffer` | <= DISPATCH |
//! | `StorPortGetScatterGatherList` | `Preparing::scatter_gather` | DISPATCH |
//! | `StorPortGetUncachedExtension` | `FindAdapter::uncached_extension` | `HwStorFindAdapter` |
//! | `StorPortGetPhysicalAddress` | for the uncached extension, contiguous memory and SRB extensions, by the calls above | |
//! | `StorPortGetVirtualAddress` | `Context::uncached_at` | any |
//! | `StorPortMoveMemory` | [`Dma::copy_from`](crate::dma::Dma::copy_from) | any |
//! | `StorPortGetDeviceBase`, `StorPortFreeDeviceBase` | `FindAdapter::map_registers`, `map_ports`; `with_registers` frees | `HwStorFindAdapter` |
//! | `StorPortReadRegister*`, `StorPortWriteRegister*` | [`Registers`](crate::register::Registers): the same volatile accesses | any |
//! | `StorPortReadPort*`, `StorPortWritePort*` | [`Ports`](crate::port::Ports) | any |
//! | `StorPortGetBusData`, `StorPortSetBusDataByOffset` | `FindAdapter::read_pci_configuration`, `write_pci_configuration` | `HwStorFindAdapter` |
//! | `StorPortMarkDumpMemory` | `FindAdapter::mark_dump_memory` | `HwStorFindAdapter` |
//!
//! Not wrapped: `StorPortValidateRange` (deprecated); `StorPortInterlocked...List` and the `SList` family. Both chain entries that
//! the caller embeds in its own memory by raw pointers, so that every removal would have to be trusted to give back what
//! was put in; the free lists and queues of a miniport are arrays of atomics in its adapter or its pool memory, whose
//! entries cannot dangle.

pub mod ownership;
pub mod page;

#[cfg(windows)]
mod contiguous;
#[cfg(windows)]
mod host_buffer;
#[cfg(windows)]
mod pool;
#[cfg(windows)]
pub(crate) mod slot;

#[cfg(windows)]
pub use contiguous::{CacheType, Contiguous, ContiguousError, ContiguousRequest, Node};
#[cfg(windows)]
pub use host_buffer::{HostBuffer, HostBufferError, HostBufferRequest};
#[cfg(windows)]
pub use pool::{Pool, PoolError, PoolTag};
#[cfg(windows)]
pub use slot::{MemorySlot, NotFreed};
