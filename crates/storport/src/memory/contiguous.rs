//! Memory that is contiguous on the bus: `StorPortAllocateContiguousMemorySpecifyCacheNode`,
//! `StorPortAllocateDmaMemory`, and freeing.

use core::{marker::PhantomData, ptr, ptr::NonNull, sync::atomic::Ordering};

use wdk_sys::{PVOID, storage::StorPortGetPhysicalAddress};

use super::{
    ownership::Generation,
    page::Boundary,
    slot::{Kind, Made, NoMaking, NotFreed},
};
use crate::{
    brand::Brand,
    context::{AtMostDispatch, Context, Exclusion, Irql},
    dma::Dma,
    ffi::{self, memory::Placement},
    miniport::Miniport,
    status::AllocateContiguousError,
};

/// `MEMORY_CACHING_TYPE`: how the processor sees the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u32)]
pub enum CacheType {
    /// `MmNonCached`.
    NonCached = 0,
    /// `MmCached`: what DMA on x86-64 wants.
    #[default]
    Cached = 1,
    /// `MmWriteCombined`.
    WriteCombined = 2,
}

/// `NODE_REQUIREMENT`: the NUMA node whose memory is preferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Node {
    /// `MM_ANY_NODE_OK`.
    #[default]
    Any,
    /// This node, if it has pages; others are taken else.
    Preferred(u16),
}

impl Node {
    const fn raw(self) -> u32 {
        const MM_ANY_NODE_OK: u32 = 0x8000_0000;
        match self {
            Self::Any => MM_ANY_NODE_OK,
            Self::Preferred(node) => node as u32,
        }
    }
}

/// What contiguous memory is asked for. Such memory begins at a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContiguousRequest {
    /// Bytes.
    pub length: usize,
    /// Lowest physical address that will do.
    pub lowest: u64,
    /// Highest physical address that will do, inclusive.
    pub highest: u64,
    /// What the memory must not cross.
    pub boundary: Option<Boundary>,
    /// How the processor sees it.
    pub cache: CacheType,
    /// Where it lies in the machine.
    pub node: Node,
}

impl ContiguousRequest {
    /// `length` bytes anywhere, cached.
    #[must_use]
    pub const fn anywhere(length: usize) -> Self {
        Self {
            length,
            lowest: 0,
            highest: u64::MAX >> 1,
            boundary: None,
            cache: CacheType::Cached,
            node: Node::Any,
        }
    }

    fn placement(&self) -> Placement {
        Placement {
            length: self.length,
            lowest: self.lowest,
            highest: self.highest,
            boundary: self.boundary.map_or(0, Boundary::multiple),
            cache: self.cache as u32,
            node: self.node.raw(),
        }
    }
}

/// Contiguous memory of the adapter. A handle: copies are the same memory.
pub struct Contiguous<'dev, M> {
    index: u32,
    generation: Generation,
    device: Brand<'dev, M>,
}

impl<M> Clone for Contiguous<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Contiguous<'_, M> {}

/// Why there is no contiguous memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContiguousError {
    /// All memory slots of [`Slots`](crate::miniport::Slots) are taken.
    NoSlot,
    /// The adapter is being removed.
    Removing,
    /// No bytes are asked for, or the addresses are in the wrong order.
    Request,
    /// The memory has no address on the bus, or crosses the boundary there.
    Address,
    /// The call said so.
    Allocate(AllocateContiguousError),
}

impl From<NoMaking> for ContiguousError {
    fn from(none: NoMaking) -> Self {
        match none {
            NoMaking::NoSlot => Self::NoSlot,
            NoMaking::Removing => Self::Removing,
        }
    }
}

/// Memory that no slot owns yet.
struct Raw {
    memory: NonNull<u8>,
    bus_address: u64,
}

impl<'dev, M: Miniport, I: AtMostDispatch, X: Exclusion> Context<'dev, M, I, X> {
    /// Allocates zeroed memory that is contiguous on the bus (`StorPortAllocateContiguousMemorySpecifyCacheNode`; IRQL <=
    /// DISPATCH). Its address on the bus is what `StorPortGetPhysicalAddress` says; the length that comes with it is
    /// ignored, as its page demands. Where DMA is remapped, the page of `StorPortAllocateDmaMemory` (1803) offers the
    /// call that returns the address itself.
    ///
    /// # Errors
    /// If no slot is free, the adapter is being removed, the request is impossible, or there is no such memory.
    pub fn allocate_contiguous(
        &self,
        request: &ContiguousRequest,
    ) -> Result<Contiguous<'dev, M>, ContiguousError> {
        self.contiguous(request, Kind::Contiguous, |placement| {
            let mut memory = ptr::null_mut();
            // SAFETY: the extension is live; IRQL is at most DISPATCH.
            let status = unsafe { ffi::memory::allocate_contiguous(self.raw(), placement, &mut memory) };
            AllocateContiguousError::check(status)?;
            let memory =
                NonNull::new(memory.cast::<u8>()).ok_or(AllocateContiguousError::InsufficientResources)?;
            Ok(Raw {
                memory,
                bus_address: self.physical_address(memory.as_ptr().cast()).unwrap_or(0),
            })
        })
    }

    /// As [`Self::allocate_contiguous`], by `StorPortAllocateDmaMemory` (Windows 10 1803), which returns the address on the bus
    /// also where DMA is remapped.
    ///
    /// Tier \[I\]: the number of this function is in no kit header that was checked, and a wrong number calls another function.
    ///
    /// # Errors
    /// As [`Self::allocate_contiguous`].
    #[cfg(feature = "inferred-ddi")]
    pub fn allocate_dma_memory(
        &self,
        request: &ContiguousRequest,
    ) -> Result<Contiguous<'dev, M>, ContiguousError> {
        self.contiguous(request, Kind::DmaMemory, |placement| {
            let (mut memory, mut bus_address) = (ptr::null_mut(), 0);
            // SAFETY: the extension is live; IRQL is at most DISPATCH.
            let status = unsafe {
                ffi::memory::allocate_dma_memory(self.raw(), placement, &mut memory, &mut bus_address)
            };
            AllocateContiguousError::check(status)?;
            let memory =
                NonNull::new(memory.cast::<u8>()).ok_or(AllocateContiguousError::InsufficientResources)?;
            Ok(Raw { memory, bus_address })
        })
    }

    fn contiguous(
        &self,
        request: &ContiguousRequest,
        kind: Kind,
        allocate: impl FnOnce(&Placement) -> Result<Raw, AllocateContiguousError>,
    ) -> Result<Contiguous<'dev, M>, ContiguousError> {
        if request.length == 0 || request.lowest > request.highest {
            return Err(ContiguousError::Request);
        }
        let making = self.make()?;
        let raw = match allocate(&request.placement()) {
            Ok(raw) => raw,
            Err(error) => {
                self.unmake(&making);
                return Err(ContiguousError::Allocate(error));
            }
        };
        // SAFETY: the memory has that many bytes, and neither the device nor anybody else knows it.
        unsafe { raw.memory.write_bytes(0, request.length) };
        let made = Made {
            kind,
            object: raw.memory.as_ptr().cast(),
            length: request.length,
            detail: request.cache as u32,
            bus_address: raw.bus_address,
            below: None,
        };
        self.record(&making, &made);
        if !self.made(&making) {
            return Err(ContiguousError::Removing);
        }
        let memory = Contiguous {
            index: making.index,
            generation: making.generation,
            device: PhantomData,
        };
        let length = u64::try_from(request.length).unwrap_or(u64::MAX);
        let misplaced = request
            .boundary
            .is_some_and(|boundary| !boundary.keeps(raw.bus_address, length));
        if raw.bus_address == 0 || misplaced {
            // Gone only if the adapter is being removed: then it is freed already.
            let _ = self.free_contiguous(memory);
            return Err(ContiguousError::Address);
        }
        Ok(memory)
    }

    /// Frees contiguous memory (`StorPortFreeContiguousMemorySpecifyCache` or `StorPortFreeDmaMemory`; IRQL <= DISPATCH), now or when
    /// the last closure that uses it ends. The device uses it no more: that is the miniport's to know.
    ///
    /// # Errors
    /// If it is gone already.
    pub fn free_contiguous(&self, memory: Contiguous<'dev, M>) -> Result<(), NotFreed> {
        self.close_slot(memory.index, memory.generation)
    }
}

impl<'dev, M: Miniport, I: Irql, X: Exclusion> Context<'dev, M, I, X> {
    /// Runs `f` on contiguous memory; any IRQL. `None` if it is gone.
    pub fn with_contiguous<R>(
        &self,
        memory: Contiguous<'dev, M>,
        f: impl for<'a> FnOnce(Dma<'a>) -> R,
    ) -> Option<R> {
        self.with_slot(memory.index, memory.generation, |slot| {
            let base = NonNull::new(slot.object.load(Ordering::Relaxed).cast::<u8>())?;
            let bus_address = slot.bus_address.load(Ordering::Relaxed);
            // SAFETY: the slot is pinned: it owns so many bytes, contiguous at that address, and `f` cannot keep them, as
            // its lifetime is any.
            let dma = unsafe { Dma::new(base, bus_address, slot.length.load(Ordering::Relaxed)) };
            Some(f(dma))
        })
        .flatten()
    }

    /// `StorPortGetPhysicalAddress` for memory of the adapter that is contiguous.
    pub(crate) fn physical_address(&self, address: PVOID) -> Option<u64> {
        let mut ignored = 0_u32;
        // SAFETY: the extension is live; without an SRB, for memory of the adapter.
        let bus_address =
            unsafe { StorPortGetPhysicalAddress(self.raw(), ptr::null_mut(), address, &raw mut ignored) };
        // SAFETY: every bit pattern of the union is an i64.
        let bus_address = unsafe { bus_address.QuadPart }.cast_unsigned();
        (bus_address != 0).then_some(bus_address)
    }
}
