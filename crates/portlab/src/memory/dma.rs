//! Memory that the device can reach.

use std::{
    io,
    sync::{Arc, Weak},
};

use super::{
    AllocateError, Block, Damage, FreeError, Label, PAGE, PAGE_U64, PoolOptions, Request,
    arena::{Core, Policy},
    device_pages::{DevicePages, Want},
    extent::Constraint,
    granules::{Entitlement, Granules},
    region::{self, Described},
    size,
};
use crate::device::DmaRegion;

/// How an object lies in the device's address space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shape {
    /// One run of device addresses.
    #[default]
    Contiguous,
    /// Consecutive pages lie at device addresses that are not consecutive, as those of a user's buffer do.
    Scattered,
}

/// A request for device-visible memory. Constraints apply to device addresses and, but for the page alignment,
/// only to contiguous objects; any constraint gives the object pages of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DmaRequest {
    /// Length, alignment (of the address on both sides), label and so on.
    pub request: Request,
    /// How it lies in the device's address space.
    pub shape: Shape,
    /// Lowest acceptable device address.
    pub lowest: u64,
    /// Highest acceptable device address, inclusive.
    pub highest: u64,
    /// The object must not cross a multiple of this (a power of two; zero for none).
    pub boundary: u64,
}

impl DmaRequest {
    /// A contiguous object without constraints.
    #[must_use]
    pub const fn contiguous(request: Request) -> Self {
        Self {
            request,
            shape: Shape::Contiguous,
            lowest: 0,
            highest: u64::MAX,
            boundary: 0,
        }
    }

    /// A buffer whose pages lie apart.
    #[must_use]
    pub const fn scattered(request: Request) -> Self {
        Self {
            request,
            shape: Shape::Scattered,
            lowest: 0,
            highest: u64::MAX,
            boundary: 0,
        }
    }
}

/// A run of device addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Where the device sees it.
    pub device_address: u64,
    /// Bytes.
    pub length: u64,
}

/// How a [`DmaArena`] behaves; as [`PoolOptions`].
pub type DmaOptions = PoolOptions;

/// Memory shared with the device. Safe to use from any thread.
#[derive(Debug)]
pub struct DmaArena {
    core: Arc<Core<DevicePages>>,
    granules: Arc<Granules>,
}

impl DmaArena {
    /// Manages the whole of `region`.
    ///
    /// # Errors
    /// If the region is no whole number of pages, or the system refuses address space.
    pub fn new(region: &DmaRegion, options: &DmaOptions) -> io::Result<Self> {
        let whole = |value: u64| value.is_multiple_of(PAGE_U64);
        if !whole(region.offset) || !whole(region.device_address) || region.length < PAGE_U64 {
            return Err(io::Error::other(
                "the device's memory does not consist of whole pages",
            ));
        }
        let backing = DevicePages::new(region, options.seed)?;
        let policy = Policy {
            guard_every: options.guard_every,
            seed: options.seed,
            // Held back memory is memory the driver cannot get: never more than a quarter.
            quarantine: options.quarantine.min(size(region.length / 4)),
            reuse_addresses: options.reuse_addresses,
        };
        let core = Arc::new(Core::new(
            options.address_space,
            options.address,
            policy,
            backing,
        )?);
        region::enter(Arc::downgrade(&core) as Weak<dyn Described>);
        let granules = Arc::new(Granules::new(region.device_address, region.length));
        Ok(Self { core, granules })
    }

    /// Hands out memory, which the device may read and write from now on.
    ///
    /// # Errors
    /// See [`AllocateError`].
    pub fn allocate(&self, request: &DmaRequest) -> Result<Block, AllocateError> {
        let DmaRequest {
            request,
            shape,
            lowest,
            highest,
            boundary,
        } = request;
        if *boundary != 0 && !boundary.is_power_of_two() {
            return Err(AllocateError::Request("the boundary is no power of two"));
        }
        let constrained = *lowest != 0 || *highest != u64::MAX || *boundary != 0 || request.alignment > PAGE;
        if constrained && *shape == Shape::Scattered {
            return Err(AllocateError::Request("scattered memory has no constraints"));
        }
        let mut constraint = Constraint::none();
        let mut request = request.clone();
        if constrained {
            constraint = Constraint {
                alignment: request.alignment.max(PAGE) as u64,
                lowest: *lowest,
                highest: *highest,
                boundary: *boundary,
            };
            // The constraint then holds for the pages, and so for any part of them; but the driver asked for a
            // device address with its alignment, and pages begin with it.
            if request.alignment > PAGE || *boundary != 0 && *boundary < PAGE_U64 {
                request.placement = super::Placement::Start;
            }
            if *boundary != 0 && *boundary < PAGE_U64 {
                constraint.boundary = 0;
                if request.length as u64 > *boundary {
                    return Err(AllocateError::Request(
                        "the object is longer than the boundary allows",
                    ));
                }
            }
        }
        let block = self.core.allocate(
            &request,
            &Want {
                shape: *shape,
                constraint,
            },
        )?;
        self.entitle_all(block, Entitlement::Write);
        Ok(block)
    }

    /// Takes the object at `address` back: it becomes inaccessible to the driver, and what the device still
    /// writes to it is noticed when its quarantine ends ([`DmaArena::take_damages`]).
    ///
    /// # Errors
    /// If `address` is no live object's beginning.
    pub fn free(&self, address: u64) -> Result<Block, FreeError> {
        if let Some(block) = self.find(address).filter(|block| block.address == address) {
            self.entitle_all(block, Entitlement::None);
        }
        self.core.free(address)
    }

    fn entitle_all(&self, block: Block, entitlement: Entitlement) {
        let state = self.core.read();
        let (mut at, end) = (block.address, block.address + block.length as u64);
        while at < end
            && let Some(run) = state.backing.translate(at)
        {
            let length = run.length.min(end - at);
            self.granules.set(run.device_address, length, entitlement);
            at += length;
        }
    }

    /// Says what the device may do to a run of addresses from now on.
    pub fn entitle(&self, segment: &Segment, entitlement: Entitlement) {
        self.granules
            .set(segment.device_address, segment.length, entitlement);
    }

    /// What the device may do, to be asked without the arena.
    #[must_use]
    pub fn entitlements(&self) -> Arc<Granules> {
        Arc::clone(&self.granules)
    }

    /// Where the device sees the byte at `address`, and how many bytes from there on are contiguous within the
    /// object. `None` if the address is in no live object.
    #[must_use]
    pub fn translate(&self, address: u64) -> Option<Segment> {
        let state = self.core.read();
        let block = state.live(address, 1)?.block;
        let segment = state.backing.translate(address)?;
        let rest = block.address + block.length as u64 - address;
        // Neighbouring runs may happen to be contiguous.
        let mut length = segment.length;
        while length < rest {
            match state.backing.translate(address + length) {
                Some(next) if next.device_address == segment.device_address + length => length += next.length,
                _ => break,
            }
        }
        Some(Segment {
            device_address: segment.device_address,
            length: length.min(rest),
        })
    }

    /// The device addresses of a range, adjacent ones joined. `None` if it is not wholly in one live object.
    #[must_use]
    pub fn segments(&self, address: u64, length: usize) -> Option<Vec<Segment>> {
        let end = address.checked_add(length as u64)?;
        self.core.read().live(address, length)?;
        let mut segments = Vec::new();
        let mut at = address;
        while at < end {
            let segment = self.translate(at)?;
            let length = segment.length.min(end - at);
            segments.push(Segment { length, ..segment });
            at += length;
        }
        Some(segments)
    }

    /// Where the lab sees a device address; `None` if nothing is mapped there.
    #[must_use]
    pub fn virtual_address(&self, device_address: u64) -> Option<u64> {
        self.core.read().backing.virtual_address(device_address)
    }

    /// What a device address belongs to, in words: for accesses of the device.
    #[must_use]
    pub fn describe_device_address(&self, device_address: u64) -> Option<String> {
        region::describe(self.virtual_address(device_address)?)
    }

    /// Whether a range of device addresses lies wholly in live objects: what the driver was entitled to let the
    /// device use.
    #[must_use]
    pub fn device_may_access(&self, device_address: u64, length: u64) -> bool {
        let Some(end) = device_address.checked_add(length) else {
            return false;
        };
        let state = self.core.read();
        let mut at = device_address;
        while at < end {
            let Some(address) = state.backing.virtual_address(at) else {
                return false;
            };
            let Some(object) = state.live(address, 1) else {
                return false;
            };
            let block = object.block;
            let Some(run) = state.backing.translate(address) else {
                return false;
            };
            at += run.length.min(block.address + block.length as u64 - address);
        }
        true
    }

    /// The live object that holds `address`.
    #[must_use]
    pub fn find(&self, address: u64) -> Option<Block> {
        self.core.read().live(address, 1).map(|object| object.block)
    }

    /// As [`super::PoolArena::check`].
    #[must_use]
    pub fn check(&self) -> Vec<Damage> {
        self.core.check()
    }

    /// As [`super::PoolArena::flush`].
    pub fn flush(&self) {
        self.core.flush();
    }

    /// As [`super::PoolArena::take_damages`].
    #[must_use]
    pub fn take_damages(&self) -> Vec<Damage> {
        self.core.take_damages()
    }

    /// Number of live objects and their bytes.
    #[must_use]
    pub fn live(&self) -> (usize, usize) {
        self.core.read().live_objects()
    }

    /// The live objects with their labels, by address.
    #[must_use]
    pub fn live_objects(&self) -> Vec<(Block, Label)> {
        self.core
            .read()
            .all_live()
            .map(|object| (object.block, object.label.clone()))
            .collect()
    }

    /// Bytes that are neither handed out nor held back.
    #[must_use]
    pub fn available(&self) -> u64 {
        self.core.read().backing.available()
    }
}
