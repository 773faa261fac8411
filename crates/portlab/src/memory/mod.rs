//! Guarded memory for the driver, DMA memory shared with the device.
//!
//! Two arenas hand out memory to the driver under test: [`PoolArena`] (pool, extensions, SRBs, sense buffers)
//! and [`DmaArena`] (memory the device can reach, backed by the memfd shared with it). Both make misuse visible:
//!
//! - a *guarded* object has pages of its own between inaccessible ones, and touches one of them with its end or
//!   its beginning: the first byte beyond faults;
//! - a *packed* object shares pages; canaries around it are checked when it is freed ([`PoolArena::check`] does it
//!   at any time);
//! - fresh memory holds [`FRESH`] bytes unless zeroes are asked for;
//! - freed memory is inaccessible (guarded) or holds [`FREED`] bytes that are checked later (packed, and the
//!   device's view of DMA memory), and is not handed out again for a while;
//! - a double or wild free is an error that says what was freed and when.
//!
//! Every object has a label; [`describe`] tells in words what an address belongs to, also for faults.
//!
//! [`GuestMemory`] is how the model reads and writes memory that the driver points it to: it checks that the
//! range lies in a live object, in a loaded image or on a known stack.

mod address;
mod arena;
mod canary;
mod damage;
mod device_pages;
mod dma;
mod extent;
mod granules;
mod ground;
mod guest;
mod object;
mod pool;
mod region;
mod reservation;
mod shared;
mod slab;

pub(crate) use address::{pointer, size};
pub use damage::{AllocateError, Damage, FreeError};
pub use dma::{DmaArena, DmaOptions, DmaRequest, Segment, Shape};
pub use granules::{Entitlement, Granules};
pub use ground::{Ground, relative};
pub use guest::{BadAddress, GuestMemory};
pub use object::{Block, Fill, Guarding, Label, Placement, Request};
pub use pool::{PoolArena, PoolOptions};
pub use region::{KnownRegion, describe};
pub use shared::SharedMemory;

/// What fresh memory is filled with.
pub const FRESH: u8 = 0xc5;
/// What freed memory is filled with.
pub const FREED: u8 = 0xdf;

const PAGE: usize = 4096;
const PAGE_U64: u64 = 4096;

#[cfg(test)]
mod tests;
