//! The two arenas, and what the driver has allocated from them.

use std::{collections::BTreeMap, io};

use parking_lot::Mutex;

use super::{machine::Machine, options::EngineKind, request::Leak, rules};
use crate::{
    abi::GuestAddress,
    device::DmaRegion,
    memory::{Block, Damage, DmaArena, DmaRequest, Ground, Placement, PoolArena, PoolOptions, Request},
};

/// Bytes of freed memory that each arena holds back, and one object in how many is guarded: where threads race, runs are long.
const QUARANTINE: usize = 8 << 20;
const GUARDED: u32 = 16;
/// The same in lives that replay: they are short, so that no address is used twice in one.
const QUARANTINE_OF_A_LIFE: usize = 64 << 20;
const GUARDED_IN_A_LIFE: u32 = 4;

/// Which call allocated something, and so which call frees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// `StorPortAllocatePool`.
    StorPool,
    /// `ExAllocatePool2`.
    Pool,
    /// `StorPortAllocateContiguousMemorySpecifyCacheNode`.
    Contiguous,
    /// `StorPortAllocateDmaMemory`.
    Dma,
    /// `MmAllocateContiguousMemory` and its kin.
    KernelContiguous,
    /// `StorPortAllocateRegistryBuffer`.
    Registry,
}

impl Origin {
    const fn name(self) -> &'static str {
        match self {
            Self::StorPool => "StorPort pool",
            Self::Pool => "pool",
            Self::Contiguous => "contiguous memory",
            Self::Dma => "DMA memory",
            Self::KernelContiguous => "contiguous memory of the kernel",
            Self::Registry => "registry buffer",
        }
    }
}

struct Allocation {
    origin: Origin,
    length: usize,
    place: String,
    tag: u32,
}

/// See the module's documentation.
pub(super) struct Memory {
    pub(super) pool: PoolArena,
    pub(super) dma: DmaArena,
    owned: Mutex<BTreeMap<GuestAddress, Allocation>>,
}

impl Memory {
    pub(super) fn new(
        region: &DmaRegion,
        seed: u64,
        engine: EngineKind,
        ground: Option<&Ground>,
    ) -> io::Result<Self> {
        let replays = engine == EngineKind::Deterministic;
        let (quarantine, guard_every) = if replays {
            (QUARANTINE_OF_A_LIFE, GUARDED_IN_A_LIFE)
        } else {
            (QUARANTINE, GUARDED)
        };
        let pool = PoolOptions {
            address: ground.map(Ground::pool),
            seed,
            quarantine,
            guard_every,
            reuse_addresses: !replays,
            ..PoolOptions::default()
        };
        Ok(Self {
            pool: PoolArena::new(&pool)?,
            dma: DmaArena::new(
                region,
                &PoolOptions {
                    address: ground.map(Ground::dma),
                    ..pool
                },
            )?,
            owned: Mutex::default(),
        })
    }

    /// Memory that Storport itself hands out: extensions, SRBs, lists.
    pub(super) fn port_pool(&self, request: &Request) -> Option<Block> {
        self.pool.allocate(request).ok()
    }

    /// Device-visible memory that Storport itself hands out.
    pub(super) fn port_dma(&self, request: &DmaRequest) -> Option<Block> {
        self.dma.allocate(request).ok()
    }

    /// Bytes that the driver has allocated.
    pub(super) fn allocated(&self) -> usize {
        let owned = self.owned.lock();
        owned.values().map(|allocation| allocation.length).sum()
    }

    /// Whether the range lies in memory of `StorPortAllocatePool`.
    pub(super) fn is_pool(&self, address: GuestAddress, length: usize) -> bool {
        self.lies_in(Origin::StorPool, address, length)
    }

    /// Whether `address` lies in memory of `StorPortAllocateContiguousMemorySpecifyCacheNode`.
    pub(super) fn is_contiguous(&self, address: GuestAddress) -> bool {
        self.lies_in(Origin::Contiguous, address, 1)
    }

    fn lies_in(&self, origin: Origin, address: GuestAddress, length: usize) -> bool {
        let owned = self.owned.lock();
        let found = owned.range(..=address).next_back();
        found.is_some_and(|(&start, allocation)| {
            let block = Block {
                address: start,
                length: allocation.length,
            };
            allocation.origin == origin && block.contains(address, length)
        })
    }

    /// Lets go of everything that is held back, so that it is looked at.
    fn flush_quarantines(&self) {
        self.pool.flush();
        self.dma.flush();
    }

    /// What the driver never freed; it is forgotten.
    pub(super) fn drain_leaks(&self) -> Vec<Leak> {
        let owned = std::mem::take(&mut *self.owned.lock());
        owned
            .into_iter()
            .map(|(address, allocation)| {
                let Allocation {
                    origin,
                    length,
                    place,
                    tag,
                } = allocation;
                let tag = tag.to_le_bytes().map(|byte| {
                    if byte.is_ascii_graphic() {
                        char::from(byte)
                    } else {
                        '.'
                    }
                });
                let tag: String = tag.iter().collect();
                Leak {
                    kind: origin.name(),
                    what: format!("{length} bytes at {address:#x}, tag {tag:?}, allocated by {place}"),
                }
            })
            .collect()
    }
}

impl Machine {
    /// Allocates pool on the driver's behalf; 0 if there is none.
    pub(super) fn driver_pool(&self, length: usize, tag: u32, zero: bool) -> GuestAddress {
        if length == 0 {
            self.violate(&rules::POOL_SIZE, || String::from("an allocation of no bytes"));
        }
        let mut request = Request::new(length, "the driver's pool memory");
        request.placement = Placement::Either;
        let request = if zero { request.zeroed() } else { request };
        let block = self
            .memory_left()
            .then(|| self.memory.port_pool(&request))
            .flatten();
        match block {
            Some(block) => self.own(Origin::Pool, block, tag),
            None => 0,
        }
    }

    /// As [`Self::driver_pool`], for `StorPortAllocatePool`: memory that a device can be given by a scatter/gather list.
    pub(super) fn driver_stor_pool(&self, length: usize, tag: u32) -> GuestAddress {
        if length == 0 {
            self.violate(&rules::POOL_SIZE, || String::from("an allocation of no bytes"));
        }
        let mut request = Request::new(length, "the driver's pool memory");
        request.placement = Placement::Either;
        let request = DmaRequest::scattered(request);
        self.memory_left()
            .then(|| self.memory.port_dma(&request))
            .flatten()
            .map_or(0, |block| self.own(Origin::StorPool, block, tag))
    }

    /// Allocates a registry buffer on the driver's behalf.
    pub(super) fn driver_registry_buffer(&self, length: usize) -> GuestAddress {
        let request = Request::new(length, "the driver's registry buffer").zeroed();
        let block = self
            .memory_left()
            .then(|| self.memory.port_pool(&request))
            .flatten();
        block.map_or(0, |block| self.own(Origin::Registry, block, 0))
    }

    /// Allocates device-visible memory on the driver's behalf; 0 if there is none.
    pub(super) fn driver_dma(&self, origin: Origin, request: &DmaRequest) -> GuestAddress {
        let block = self
            .memory_left()
            .then(|| self.memory.port_dma(request))
            .flatten();
        block.map_or(0, |block| self.own(origin, block, 0))
    }

    fn own(&self, origin: Origin, block: Block, tag: u32) -> GuestAddress {
        let allocation = Allocation {
            origin,
            length: block.length,
            place: Self::place(),
            tag,
        };
        self.memory.owned.lock().insert(block.address, allocation);
        block.address
    }

    /// Frees what the driver allocated; a wrong pointer, size or kind is a violation and nothing is freed.
    pub(super) fn driver_free(&self, origin: Origin, address: GuestAddress, length: Option<usize>) -> bool {
        let known = {
            let mut owned = self.memory.owned.lock();
            match owned.get(&address) {
                Some(a) if a.origin == origin && length.is_none_or(|length| length == a.length) => {
                    owned.remove(&address);
                    Ok(())
                }
                Some(a) => Err(format!(
                    "{address:#x} is {} of {} bytes, freed as {}{}",
                    a.origin.name(),
                    a.length,
                    origin.name(),
                    length
                        .map(|length| format!(" of {length} bytes"))
                        .unwrap_or_default()
                )),
                None => Err(crate::memory::describe(address).map_or_else(
                    || format!("{address:#x} was never allocated"),
                    |what| format!("{address:#x} is {what}"),
                )),
            }
        };
        if let Err(detail) = known {
            self.violate(&rules::MEMORY_FREED_TWICE, || detail);
            return false;
        }
        let freed = match origin {
            Origin::Pool | Origin::Registry => self.memory.pool.free(address),
            Origin::StorPool | Origin::Contiguous | Origin::Dma | Origin::KernelContiguous => {
                self.end_memory(address, origin.name());
                self.memory.dma.free(address)
            }
        };
        if let Err(error) = freed {
            self.violate(&rules::MEMORY_FREED_TWICE, || error.to_string());
        }
        true
    }

    /// Judges what the arenas found damaged since the last time; `thorough` checks what is alive too.
    pub(super) fn judge_memory(&self, thorough: bool) {
        let (pool, dma) = (&self.memory.pool, &self.memory.dma);
        let damages = if thorough {
            self.memory.flush_quarantines();
            [pool.check(), dma.check()]
        } else {
            [pool.take_damages(), dma.take_damages()]
        };
        for damage in damages.iter().flatten() {
            self.judge_damage(damage);
        }
    }

    fn judge_damage(&self, damage: &Damage) {
        let label: &str = &damage.label;
        let rule = match (label, damage.after_free) {
            (label, true) if label.starts_with("SRB extension") => &rules::SRB_EXTENSION_TOUCHED,
            (label, true) if label.starts_with("SRB") => &rules::SRB_TOUCHED,
            (label, false) if label.starts_with("sense buffer") => &rules::SENSE_OVERRUN,
            (label, false) if label.starts_with("data buffer") => &rules::DATA_OVERRUN,
            (_, true) => &rules::POOL_USE_AFTER_FREE,
            (_, false) => &rules::POOL_OVERRUN,
        };
        self.violate(rule, || damage.to_string());
    }
}
