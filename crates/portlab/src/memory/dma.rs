//! Memory that the device can reach.

use std::{
    collections::BTreeMap,
    fs, io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::FileExt,
    },
    sync::{Arc, Weak},
};

use super::{
    AllocateError, Block, Damage, FREED, FreeError, Label, PAGE, PAGE_U64, PoolOptions, Request,
    arena::{Backing, Core, Policy},
    extent::{Constraint, Extents},
    region::{self, Described},
    reservation::Reservation,
    size,
};
use crate::device::DmaRegion;

/// Freed device memory is poisoned and checked up to this many bytes of an object.
const POISONED: usize = 16 * PAGE;

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

pub(super) struct Want {
    shape: Shape,
    constraint: Constraint,
}

/// A run of mapped pages.
#[derive(Debug, Clone, Copy)]
struct Run {
    device_address: u64,
    length: u64,
}

#[derive(Debug)]
pub(super) struct Shared {
    memory: fs::File,
    /// Offset in the file of the first byte that is ours, and where the device sees it.
    offset: u64,
    device_address: u64,
    length: u64,
    extents: Extents,
    random: fastrand::Rng,
    /// By address in the lab's address space.
    runs: BTreeMap<u64, Run>,
    /// By device address: the address in the lab's address space.
    reverse: BTreeMap<u64, u64>,
}

impl Shared {
    fn file_offset(&self, device_address: u64) -> u64 {
        self.offset + (device_address - self.device_address)
    }

    fn take(&mut self, length: u64, want: &Want) -> Option<Vec<Run>> {
        if want.shape == Shape::Contiguous || length <= PAGE_U64 {
            let from = self.device_address;
            let device_address = self.extents.take(from, length, &want.constraint)?;
            return Some(vec![Run {
                device_address,
                length,
            }]);
        }
        let mut runs: Vec<Run> = Vec::new();
        while (runs.len() as u64) < length / PAGE_U64 {
            let Some(device_address) = self.take_page(runs.last().map(|run| run.device_address)) else {
                for run in runs {
                    self.extents.give(run.device_address, run.length);
                }
                return None;
            };
            runs.push(Run {
                device_address,
                length: PAGE_U64,
            });
        }
        Some(runs)
    }

    /// A page somewhere in the upper half (the lower is for what must be contiguous), not behind `previous`.
    fn take_page(&mut self, previous: Option<u64>) -> Option<u64> {
        const TRIES: usize = 8;
        let pages = self.length / PAGE_U64;
        let none = Constraint::none();
        for _ in 0..TRIES {
            let page = self.random.u64(pages / 2..pages.max(1));
            let from = self.device_address + page * PAGE_U64;
            let Some(found) = self.extents.take(from, PAGE_U64, &none) else {
                continue;
            };
            if previous.is_none_or(|previous| previous + PAGE_U64 != found) {
                return Some(found);
            }
            self.extents.give(found, PAGE_U64);
        }
        self.extents.take(self.device_address, PAGE_U64, &none)
    }

    /// Where the device sees an address, and how far the run goes on.
    fn translate(&self, address: u64) -> Option<Segment> {
        let (start, run) = self.runs.range(..=address).next_back()?;
        let offset = address - start;
        (offset < run.length).then(|| Segment {
            device_address: run.device_address + offset,
            length: run.length - offset,
        })
    }

    fn virtual_address(&self, device_address: u64) -> Option<u64> {
        let (start, address) = self.reverse.range(..=device_address).next_back()?;
        let offset = device_address - start;
        (offset < self.runs.get(address)?.length).then_some(address + offset)
    }

    fn runs_of(&self, address: u64, length: usize) -> Vec<(u64, Run)> {
        self.runs
            .range(address..address + length as u64)
            .map(|(start, run)| (*start, *run))
            .collect()
    }
}

impl Backing for Shared {
    type Want = Want;

    fn kind(want: &Want) -> Option<u8> {
        (want.constraint == Constraint::none()).then_some(want.shape as u8)
    }

    fn map(
        &mut self,
        space: &Reservation,
        address: u64,
        length: usize,
        want: &Want,
    ) -> Result<usize, AllocateError> {
        let runs = self.take(length as u64, want).ok_or(AllocateError::Exhausted)?;
        let mut place = address;
        for (index, run) in runs.iter().enumerate() {
            let offset = self.file_offset(run.device_address);
            if let Err(error) = space.map_shared(place, size(run.length), self.memory.as_fd(), offset) {
                // What is mapped already stays an unused mapping of pages that others may get: harmless to the
                // lab, but not to its checks, so take it away.
                let _ = space.unmap(address, length);
                for run in &runs {
                    self.extents.give(run.device_address, run.length);
                }
                for (start, run) in self.runs_of(address, length).iter().take(index) {
                    self.runs.remove(start);
                    self.reverse.remove(&run.device_address);
                }
                return Err(AllocateError::System(error.to_string()));
            }
            self.runs.insert(place, *run);
            self.reverse.insert(run.device_address, place);
            place += run.length;
        }
        Ok(runs.len())
    }

    fn retire(&mut self, space: &Reservation, address: u64, length: usize) {
        space.fill(address, length.min(POISONED), FREED);
    }

    fn release(&mut self, address: u64, length: usize) -> (Option<(u64, u8)>, usize) {
        let runs = self.runs_of(address, length);
        let mut changed = None;
        for (start, run) in &runs {
            let done = start - address;
            let check = run.length.min((POISONED as u64).saturating_sub(done));
            if changed.is_none() {
                changed = self
                    .changed(run, check)
                    .map(|(offset, found)| (start + offset, found));
            }
            self.runs.remove(start);
            self.reverse.remove(&run.device_address);
            self.extents.give(run.device_address, run.length);
        }
        (changed, runs.len())
    }
}

impl Shared {
    /// The first byte of a freed run that the device changed.
    fn changed(&self, run: &Run, length: u64) -> Option<(u64, u8)> {
        let mut page = [0; PAGE];
        (0..length).step_by(PAGE).find_map(|offset| {
            let part =
                page.get_mut(..usize::try_from(length - offset).map_or(PAGE, |rest| rest.min(PAGE)))?;
            self.memory
                .read_exact_at(part, self.file_offset(run.device_address) + offset)
                .ok()?;
            let index = part.iter().position(|byte| *byte != FREED)?;
            Some((offset + index as u64, *part.get(index)?))
        })
    }
}

/// Memory shared with the device. Safe to use from any thread.
#[derive(Debug)]
pub struct DmaArena {
    core: Arc<Core<Shared>>,
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
        let length = region.length - region.length % PAGE_U64;
        let memory: OwnedFd = region.memory.try_clone()?;
        let backing = Shared {
            memory: memory.into(),
            offset: region.offset,
            device_address: region.device_address,
            length,
            extents: Extents::new(region.device_address, length),
            random: fastrand::Rng::with_seed(options.seed ^ 0x5ca7),
            runs: BTreeMap::new(),
            reverse: BTreeMap::new(),
        };
        let policy = Policy {
            guard_every: options.guard_every,
            seed: options.seed,
            // Held back memory is memory the driver cannot get: never more than a quarter.
            quarantine: options
                .quarantine
                .min(usize::try_from(length / 4).unwrap_or(usize::MAX)),
            reuse_addresses: options.reuse_addresses,
        };
        let core = Arc::new(Core::new(
            options.address_space,
            options.address,
            policy,
            backing,
        )?);
        region::enter(Arc::downgrade(&core) as Weak<dyn Described>);
        Ok(Self { core })
    }

    /// Hands out memory.
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
        self.core.allocate(
            &request,
            &Want {
                shape: *shape,
                constraint,
            },
        )
    }

    /// Takes the object at `address` back: it becomes inaccessible to the driver, and what the device still
    /// writes to it is noticed when its quarantine ends ([`DmaArena::take_damages`]).
    ///
    /// # Errors
    /// If `address` is no live object's beginning.
    pub fn free(&self, address: u64) -> Result<Block, FreeError> {
        self.core.free(address)
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
        self.core.read().backing.extents.available()
    }
}
