//! The slot that owns an allocation, and freeing it.

use core::{
    ffi::c_void,
    ptr,
    sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering},
};

use wdk_sys::PVOID;

use super::ownership::{Closing, Generation, Ownership};
use crate::{
    context::{AtMostDispatch, Context, Exclusion, Irql},
    extension::{Extension, SlotTable},
    ffi,
    miniport::Miniport,
    status::{FreeContiguousError, FreeError, FreeHostBufferError},
};

/// What a slot owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Kind {
    Pool = 1,
    Contiguous = 2,
    DmaMemory = 3,
    HostBuffer = 4,
    Mdl = 5,
    ScatterGather = 6,
}

impl Kind {
    const fn from_raw(raw: u32) -> Option<Self> {
        Some(match raw {
            1 => Self::Pool,
            2 => Self::Contiguous,
            3 => Self::DmaMemory,
            4 => Self::HostBuffer,
            5 => Self::Mdl,
            6 => Self::ScatterGather,
            _ => return None,
        })
    }
}

/// Slots that rest on each other: a scatter/gather list on an MDL on pool memory.
const LONGEST_CHAIN: usize = 3;

/// A slot for an allocation. All zeroes is vacant.
///
/// # Invariants
/// The maker alone writes the fields, before it declares the slot made; whoever pins it afterwards reads them.
#[repr(C)]
pub struct MemorySlot {
    pub(crate) state: Ownership,
    kind: AtomicU32,
    /// Cache type of contiguous memory; direction of a scatter/gather list.
    pub(crate) detail: AtomicU32,
    /// Memory, MDL, ranges of a host memory buffer, or the buffer of a scatter/gather list.
    pub(crate) object: AtomicPtr<c_void>,
    /// Bytes, or ranges of a host memory buffer.
    pub(crate) length: AtomicUsize,
    pub(crate) bus_address: AtomicU64,
    /// The slot that this one keeps, plus 1.
    below: AtomicU32,
    /// The DPC to issue when a scatter/gather list is there, plus 1.
    pub(crate) notify: AtomicU32,
    /// The scatter/gather list, once it is there.
    pub(crate) list: AtomicPtr<c_void>,
    /// The device extension, for a routine that is not told it.
    pub(crate) extension: AtomicPtr<c_void>,
}

impl MemorySlot {
    fn kind(&self) -> Option<Kind> {
        Kind::from_raw(self.kind.load(Ordering::Relaxed))
    }

    /// The slot that this one keeps.
    pub(crate) fn below(&self) -> Option<u32> {
        self.below.load(Ordering::Relaxed).checked_sub(1)
    }

    /// Frees the object. False if it stays with the port driver.
    ///
    /// # Safety
    /// The caller was elected to free; IRQL is at most DISPATCH, and DISPATCH if `at_dispatch`.
    unsafe fn free_object(&self, extension: PVOID, at_dispatch: bool) -> bool {
        let object = self.object.load(Ordering::Relaxed);
        let length = self.length.load(Ordering::Relaxed);
        let detail = self.detail.load(Ordering::Relaxed);
        match self.kind() {
            Some(Kind::Pool) => {
                // SAFETY: the caller's promise; the slot owns this pool memory.
                FreeError::check(unsafe { ffi::memory::free_pool(extension, object) }).is_ok()
            }
            Some(Kind::Contiguous) => {
                // SAFETY: the caller's promise; allocated with this length and cache type.
                let status = unsafe { ffi::memory::free_contiguous(extension, object, length, detail) };
                FreeContiguousError::check(status).is_ok()
            }
            #[cfg(feature = "inferred-ddi")]
            Some(Kind::DmaMemory) => {
                let bus_address = self.bus_address.load(Ordering::Relaxed);
                // SAFETY: the caller's promise; allocated with this length and cache type, at this address.
                let status =
                    unsafe { ffi::memory::free_dma_memory(extension, object, length, detail, bus_address) };
                FreeContiguousError::check(status).is_ok()
            }
            #[cfg(not(feature = "inferred-ddi"))]
            Some(Kind::DmaMemory) => false,
            Some(Kind::HostBuffer) => {
                let count = u32::try_from(length).unwrap_or(0);
                // SAFETY: the caller's promise; these are the ranges that the port driver gave.
                let status = unsafe { ffi::memory::free_host_buffer(extension, object.cast(), count) };
                let freed = FreeHostBufferError::check(status).is_ok();
                // SAFETY: the array of the ranges is pool memory of this slot.
                FreeError::check(unsafe { ffi::memory::free_pool(extension, object) }).is_ok() && freed
            }
            Some(Kind::Mdl) => {
                // SAFETY: the caller's promise; the slot owns this MDL.
                FreeError::check(unsafe { ffi::memory::free_mdl(extension, object) }).is_ok()
            }
            Some(Kind::ScatterGather) => {
                let list = self.list.load(Ordering::Acquire);
                if !list.is_null() {
                    if !at_dispatch {
                        return false;
                    }
                    let to_device = ffi::boolean(detail != 0);
                    // SAFETY: the caller's promise; the list was built with this direction.
                    let status =
                        unsafe { ffi::memory::put_scatter_gather_list(extension, list.cast(), to_device) };
                    if FreeError::check(status).is_err() {
                        return false;
                    }
                }
                // SAFETY: the list is put back, or was never there; its buffer is pool memory of this slot.
                FreeError::check(unsafe { ffi::memory::free_pool(extension, object) }).is_ok()
            }
            None => false,
        }
    }
}

/// What a maker has made.
pub(crate) struct Made {
    pub(crate) kind: Kind,
    pub(crate) object: PVOID,
    pub(crate) length: usize,
    pub(crate) detail: u32,
    pub(crate) bus_address: u64,
    pub(crate) below: Option<u32>,
}

/// A slot that is being made.
pub(crate) struct Making<'a> {
    pub(crate) index: u32,
    pub(crate) slot: &'a MemorySlot,
    pub(crate) generation: Generation,
}

/// Why there is no slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoMaking {
    Removing,
    NoSlot,
}

/// The handle's allocation is gone: freed already, or the adapter is being removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotFreed;

impl<M: Miniport> Extension<'_, M> {
    pub(crate) fn memory_slot(&self, index: u32) -> Option<&MemorySlot> {
        self.table.memory().get(index as usize)
    }

    /// Frees slot `first`, and what it kept if nothing else does; then drops their rundown references.
    ///
    /// # Safety
    /// The caller was elected to free slot `first`. IRQL is at most DISPATCH, and DISPATCH if `at_dispatch`. The caller
    /// uses nothing of the extension afterwards unless something else keeps it.
    pub(crate) unsafe fn free_memory(&self, first: u32, at_dispatch: bool) {
        let extension = self.raw();
        let mut freed = 0_u32;
        let mut next = Some(first);
        for _ in 0..LONGEST_CHAIN {
            let Some(slot) = next.take().and_then(|index| self.memory_slot(index)) else {
                break;
            };
            let below = slot.below();
            // SAFETY: the caller was elected, for this slot or for the one that kept it.
            if unsafe { slot.free_object(extension, at_dispatch) } {
                slot.state.freed();
            } else {
                // The port driver's object is leaked, and removal goes on.
                slot.state.retire();
            }
            freed = freed.saturating_add(1);
            next = below.filter(|index| {
                self.memory_slot(*index)
                    .is_some_and(|slot| slot.state.unpin(true))
            });
        }
        for _ in 0..freed {
            // SAFETY: the slots' own references: all but the last leave one that keeps the extension.
            unsafe { Self::release_reference(extension) };
        }
    }

    /// Closes every allocation; frees what nobody uses. What is in use is freed by whoever lets go last.
    ///
    /// # Safety
    /// IRQL is at most DISPATCH, and DISPATCH if `at_dispatch`. Something besides the slots keeps the extension.
    pub(crate) unsafe fn shut_memory(&self, at_dispatch: bool) {
        for (index, slot) in (0_u32..).zip(self.table.memory()) {
            if slot.state.shut() {
                // SAFETY: elected just now; the rest is the caller's promise.
                unsafe { self.free_memory(index, at_dispatch) };
            }
        }
    }
}

impl<M: Miniport, I: Irql, X: Exclusion> Context<'_, M, I, X> {
    /// Runs `f` on a live allocation; it is not freed before `f` has ended.
    pub(crate) fn with_slot<R>(
        &self,
        index: u32,
        generation: Generation,
        f: impl FnOnce(&MemorySlot) -> R,
    ) -> Option<R> {
        let slot = self.extension().memory_slot(index)?;
        if !slot.state.pin(generation) {
            return None;
        }
        let result = f(slot);
        // What is closed meanwhile at a high IRQL is freed by the next call that may.
        if slot.state.unpin(I::AT_MOST_DISPATCH) {
            // SAFETY: elected; the IRQL is at most DISPATCH; the callback keeps the extension. A scatter/gather list is pinned
            // at DISPATCH_LEVEL only.
            unsafe { self.extension().free_memory(index, true) };
        }
        Some(result)
    }
}

impl<'dev, M: Miniport, I: AtMostDispatch, X: Exclusion> Context<'dev, M, I, X> {
    /// Keeps a live allocation for a slot that is to rest on it; false if it is gone.
    pub(crate) fn keep(&self, index: u32, generation: Generation) -> bool {
        self.extension()
            .memory_slot(index)
            .is_some_and(|slot| slot.state.pin(generation))
    }

    /// Lets go of what [`Self::keep`] kept, if no slot rests on it after all.
    pub(crate) fn let_go(&self, index: u32) {
        let slot = self.extension().memory_slot(index);
        if slot.is_some_and(|slot| slot.state.unpin(true)) {
            // SAFETY: elected; IRQL is at most DISPATCH; the callback keeps the extension. Nothing rests on a scatter/gather list.
            unsafe { self.extension().free_memory(index, false) };
        }
    }

    /// Takes a slot, with a rundown reference of its own.
    pub(crate) fn make(&self) -> Result<Making<'dev>, NoMaking> {
        let extension = self.extension();
        if !extension.header.rundown.acquire() {
            return Err(NoMaking::Removing);
        }
        self.reclaim_memory();
        let mut slots = (0_u32..).zip(extension.table.memory());
        let free = slots.find_map(|(index, slot)| {
            let generation = slot.state.take()?;
            Some(Making {
                index,
                slot,
                generation,
            })
        });
        free.ok_or_else(|| {
            self.release_reference();
            NoMaking::NoSlot
        })
    }

    /// Frees what was closed while somebody used it who could not free it.
    fn reclaim_memory(&self) {
        let extension = self.extension();
        for (index, slot) in (0_u32..).zip(extension.table.memory()) {
            if slot.state.reclaim() {
                // SAFETY: elected; IRQL is at most DISPATCH; the callback keeps the extension. No scatter/gather list is left
                // behind by who cannot free it.
                unsafe { extension.free_memory(index, false) };
            }
        }
    }

    /// To be called where the IRQL has fallen again: once the adapter is being removed nobody makes an allocation, so that
    /// nobody else would free what was closed under a lock above DISPATCH, and the removal SRB would be held for ever.
    pub(crate) fn reclaim_if_removing(&self) {
        if self.is_removing() {
            self.reclaim_memory();
        }
    }

    /// There is no allocation: the slot is given back.
    pub(crate) fn unmake(&self, making: &Making<'dev>) {
        making.slot.state.abandon();
        self.release_reference();
    }

    /// Writes down what was made, for the slot to own.
    pub(crate) fn record(&self, making: &Making<'dev>, made: &Made) {
        let slot = making.slot;
        slot.kind.store(made.kind as u32, Ordering::Relaxed);
        slot.object.store(made.object, Ordering::Relaxed);
        slot.length.store(made.length, Ordering::Relaxed);
        slot.detail.store(made.detail, Ordering::Relaxed);
        slot.bus_address.store(made.bus_address, Ordering::Relaxed);
        let below = made.below.map_or(0, |index| index.saturating_add(1));
        slot.below.store(below, Ordering::Relaxed);
        slot.notify.store(0, Ordering::Relaxed);
        slot.list.store(ptr::null_mut(), Ordering::Relaxed);
        slot.extension.store(self.raw(), Ordering::Relaxed);
    }

    /// The slot is live. False if the adapter began to be removed meanwhile: then it is freed.
    pub(crate) fn made(&self, making: &Making<'dev>) -> bool {
        if making.slot.state.made() {
            // SAFETY: elected; IRQL is at most DISPATCH; the callback keeps the extension.
            unsafe { self.extension().free_memory(making.index, false) };
            return false;
        }
        true
    }

    /// Frees an allocation now, or when its last user lets go.
    pub(crate) fn close_slot(&self, index: u32, generation: Generation) -> Result<(), NotFreed> {
        let slot = self.extension().memory_slot(index).ok_or(NotFreed)?;
        match slot.state.close(generation) {
            Closing::Gone => Err(NotFreed),
            Closing::Later => Ok(()),
            Closing::Free => {
                // SAFETY: elected; IRQL is at most DISPATCH; the callback keeps the extension. What is closed below DISPATCH is no
                // scatter/gather list.
                unsafe { self.extension().free_memory(index, true) };
                Ok(())
            }
        }
    }
}
