//! What the miniport and its test have in common: where checks run, what is checked, the device's registers, the commands.

/// Where a check runs.
pub(crate) const PLACES: [&str; 10] = [
    "HwStorFindAdapter",
    "HwStorInitialize",
    "HwStorPassiveInitialize",
    "HwStorStartIo",
    "message interrupt",
    "DPC",
    "timer",
    "HwStorResetBus",
    "work item",
    "ScsiRestartAdapter",
];
/// `HwStorFindAdapter`.
pub(crate) const FIND_ADAPTER: usize = 0;
/// `HwStorInitialize`.
pub(crate) const INITIALIZE: usize = 1;
/// `HwStorPassiveInitialize`.
pub(crate) const PASSIVE_INITIALIZE: usize = 2;
/// `HwStorStartIo`.
pub(crate) const START_IO: usize = 3;
/// The message-signalled interrupt routine.
pub(crate) const MESSAGE: usize = 4;
/// A DPC routine.
pub(crate) const DPC: usize = 5;
/// A timer routine.
pub(crate) const TIMER: usize = 6;
/// `HwStorResetBus`.
pub(crate) const RESET_BUS: usize = 7;
/// A work item.
pub(crate) const WORK_ITEM: usize = 8;
/// `ScsiRestartAdapter`.
pub(crate) const RESTART: usize = 9;

/// What is checked.
pub(crate) const CHECKS: [&str; 14] = [
    "AllocatePool, FreePool",
    "AllocateContiguousMemorySpecifyCacheNode, FreeContiguousMemorySpecifyCache, GetPhysicalAddress",
    "AllocateDmaMemory, FreeDmaMemory",
    "AllocateHostMemoryBuffer, FreeHostMemoryBuffer",
    "AllocateMdl, BuildMdlForNonPagedPool, FreeMdl",
    "BuildScatterGatherList, PutScatterGatherList",
    "use of what was allocated before",
    "GetVirtualAddress, MoveMemory",
    "registers of 8 to 64 bits",
    "ports of 8 to 32 bits",
    "GetBusData, SetBusDataByOffset, GetDeviceBase, FreeDeviceBase",
    "MarkDumpMemory",
    "GetOriginalMdl, GetPfns, GetSystemAddress, GetScatterGatherList",
    "DUMP_POINTERS",
];
/// Pool memory.
pub(crate) const POOL: usize = 0;
/// Contiguous memory.
pub(crate) const CONTIGUOUS: usize = 1;
/// DMA memory.
pub(crate) const DMA_MEMORY: usize = 2;
/// A host memory buffer.
pub(crate) const HOST_BUFFER: usize = 3;
/// An MDL of pool memory.
pub(crate) const MDL: usize = 4;
/// A scatter/gather list of pool memory.
pub(crate) const SCATTER_GATHER: usize = 5;
/// What was allocated in `HwStorFindAdapter`.
pub(crate) const KEPT: usize = 6;
/// The uncached extension.
pub(crate) const UNCACHED: usize = 7;
/// Registers.
pub(crate) const REGISTERS: usize = 8;
/// Ports.
pub(crate) const PORTS: usize = 9;
/// Configuration space, and a mapping that is freed.
pub(crate) const BUS: usize = 10;
/// Dump memory.
pub(crate) const DUMP_MEMORY: usize = 11;
/// A request's data.
pub(crate) const REQUEST: usize = 12;
/// The dump driver.
pub(crate) const DUMP_DRIVER: usize = 13;

/// A check that has not run, and one that has passed; other values are the step that failed.
pub(crate) const NOT_RUN: u8 = 0;
/// See [`NOT_RUN`].
pub(crate) const PASSED: u8 = 1;

/// Bytes of the device's memory BAR and of its ports.
pub(crate) const REGISTER_BYTES: u32 = 0x1000;
/// See [`REGISTER_BYTES`].
pub(crate) const PORT_BYTES: u32 = 0x40;
/// Registers from here on do something; below they are memory.
pub(crate) const DMA_ADDRESS: u32 = 0x800;
/// Written: the device stores the value at the DMA address. Read: it loads from there.
pub(crate) const DMA_VALUE: u32 = 0x808;
/// Written: the device sends this interrupt message.
pub(crate) const RAISE: u32 = 0x810;
/// A port whose reads count up.
pub(crate) const COUNTER_PORT: u32 = 0x20;
/// A port whose writes are added up, and where the sum is read.
pub(crate) const ADDER_PORT: u32 = 0x28;
/// Vendor and device ID.
pub(crate) const IDENTITY: (u16, u16) = (0x1AF4, 0x7E57);
/// A byte of configuration space that can be written.
pub(crate) const SCRATCH_OFFSET: u8 = 0x3C;
/// A capability, and where it is.
pub(crate) const CAPABILITY: (u8, u8) = (0x09, 0x50);

/// Command: run what runs in other callbacks.
pub(crate) const RUN: u8 = 0xC0;
/// Command: the matrix of results, place by place.
pub(crate) const REPORT: u8 = 0xC1;
/// Command: look at the request's data, which begins with [`FIRST_BYTE`], and turn every byte around. A READ, whose buffer the port
/// driver does not map.
pub(crate) const EXCHANGE: u8 = 0x28;
/// The first byte of the data; each later one is one more.
pub(crate) const FIRST_BYTE: u8 = 0x35;
/// The dump driver's name and common buffer.
pub(crate) const DUMP_NAME: &str = "dump_memory";
/// See [`DUMP_NAME`].
pub(crate) const DUMP_BUFFER: u32 = 0x8000;
