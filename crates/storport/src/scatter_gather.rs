//! Scatter/gather lists for memory of the miniport: `StorPortBuildScatterGatherList`,
//! `StorPortPutScatterGatherList`. Those of requests come with them
//! ([`Preparing::scatter_gather`](crate::srb::Preparing::scatter_gather)).
//!
//! The port driver hands the list to a routine of its caller, at once or later. That routine is the framework's: it publishes the
//! list and issues the DPC that the miniport named, which finds the list by [`Context::with_scatter_gather`].

use core::{marker::PhantomData, ptr, ptr::NonNull, sync::atomic::Ordering};

use wdk_sys::{PVOID, STOR_SCATTER_GATHER_LIST};

use crate::{
    brand::Brand,
    context::{Context, Dispatch, Exclusion},
    extension::{Extension, SlotTable},
    ffi::{self, memory::ListWish},
    mdl::Mdl,
    memory::{
        MemorySlot, NotFreed, PoolTag,
        ownership::Generation,
        page::list_bytes,
        slot::{Kind, Made, NoMaking},
    },
    miniport::Miniport,
    srb::ScatterGather,
    status::{AllocatePoolError, BuildScatterGatherError},
};

/// Tag of the buffers of lists.
const TAG: PoolTag = PoolTag::new(*b"SgLs");

/// Which way a DMA transfer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transfer {
    /// The device reads the memory.
    ToDevice,
    /// The device writes it.
    FromDevice,
}

/// A scatter/gather list for memory of the miniport. A handle: copies are the same list.
pub struct List<'dev, M> {
    index: u32,
    generation: Generation,
    device: Brand<'dev, M>,
}

impl<M> Clone for List<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for List<'_, M> {}

/// Why no list is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListError {
    /// All memory slots of [`Slots`](crate::miniport::Slots) are taken.
    NoSlot,
    /// The adapter is being removed.
    Removing,
    /// The MDL is gone.
    Gone,
    /// No memory for the list's buffer.
    Buffer(AllocatePoolError),
    /// `StorPortBuildScatterGatherList` said so.
    Build(BuildScatterGatherError),
}

impl From<NoMaking> for ListError {
    fn from(none: NoMaking) -> Self {
        match none {
            NoMaking::NoSlot => Self::NoSlot,
            NoMaking::Removing => Self::Removing,
        }
    }
}

impl<'dev, M: Miniport, X: Exclusion> Context<'dev, M, Dispatch, X> {
    /// Builds the scatter/gather list of all memory that `mdl` describes (`StorPortBuildScatterGatherList`; IRQL =
    /// DISPATCH). DPC `dpc` is issued when the list is there, which may be before this returns.
    ///
    /// # Errors
    /// If no slot is free, the adapter is being removed, the MDL is gone, or the port driver refuses.
    pub fn build_scatter_gather(
        &self,
        mdl: Mdl<'dev, M>,
        transfer: Transfer,
        dpc: Option<usize>,
    ) -> Result<List<'dev, M>, ListError> {
        let making = self.make()?;
        if !self.keep(mdl.index, mdl.generation) {
            self.unmake(&making);
            return Err(ListError::Gone);
        }
        let refuse = |error| {
            self.let_go(mdl.index);
            self.unmake(&making);
            Err(error)
        };
        let described = self.extension().memory_slot(mdl.index).and_then(|slot| {
            let pool = self.extension().memory_slot(slot.below()?)?;
            let memory = pool.object.load(Ordering::Relaxed);
            let length = u32::try_from(pool.length.load(Ordering::Relaxed)).ok()?;
            let address = u64::try_from(memory.addr()).ok()?;
            let bytes = list_bytes(address, u64::from(length))?;
            Some((slot.object.load(Ordering::Relaxed), memory, length, bytes))
        });
        let Some((described_by, memory, length, bytes)) = described else {
            return refuse(ListError::Gone);
        };
        let buffer = match self.pool_memory(bytes, TAG) {
            Ok(buffer) => buffer,
            Err(error) => return refuse(ListError::Buffer(error)),
        };
        let made = Made {
            kind: Kind::ScatterGather,
            object: buffer.as_ptr().cast(),
            length: bytes as usize,
            detail: u32::from(transfer == Transfer::ToDevice),
            bus_address: 0,
            below: Some(mdl.index),
        };
        self.record(&making, &made);
        let notify = dpc.and_then(|dpc| u32::try_from(dpc).ok()?.checked_add(1));
        making.slot.notify.store(notify.unwrap_or(0), Ordering::Relaxed);
        // From here on the routine may run; it has a pin of its own.
        if !self.made(&making) || !making.slot.state.pin(making.generation) {
            return Err(ListError::Removing);
        }
        let wish = ListWish {
            mdl: described_by,
            address: memory,
            length,
            routine: built::<M>,
            context: ptr::from_ref(making.slot).cast_mut().cast(),
            to_device: ffi::boolean(transfer == Transfer::ToDevice),
            list: buffer.as_ptr().cast(),
            list_length: bytes,
        };
        let list = List {
            index: making.index,
            generation: making.generation,
            device: PhantomData,
        };
        // SAFETY: the slot keeps the memory, its MDL and the buffer until the list is put back; it lives in the extension,
        // which its rundown reference keeps.
        let status = unsafe { ffi::memory::build_scatter_gather_list(self.raw(), &wish) };
        if let Err(error) = BuildScatterGatherError::check(status) {
            // The routine does not come. Gone only if the adapter is being removed: then it is freed at the next line.
            let _ = self.put_scatter_gather(list);
            self.let_go(making.index);
            return Err(ListError::Build(error));
        }
        Ok(list)
    }

    /// Runs `f` on a scatter/gather list; `None` while it is not there yet, and when it is gone.
    pub fn with_scatter_gather<R>(
        &self,
        list: List<'dev, M>,
        f: impl for<'a> FnOnce(ScatterGather<'a>) -> R,
    ) -> Option<R> {
        self.with_slot(list.index, list.generation, |slot| {
            let list = NonNull::new(
                slot.list
                    .load(Ordering::Acquire)
                    .cast::<STOR_SCATTER_GATHER_LIST>(),
            )?;
            // SAFETY: the slot is pinned, so that the list is not put back; `f` cannot keep it, as its lifetime is any.
            Some(f(unsafe { ScatterGather::from_raw(list) }))
        })
        .flatten()
    }

    /// Puts a scatter/gather list back (`StorPortPutScatterGatherList`; IRQL = DISPATCH), now or when the last closure that uses
    /// it ends. The device uses it no more: that is the miniport's to know.
    ///
    /// # Errors
    /// If it is gone already.
    pub fn put_scatter_gather(&self, list: List<'dev, M>) -> Result<(), NotFreed> {
        self.close_slot(list.index, list.generation)
    }
}

/// The routine of `StorPortBuildScatterGatherList`: DISPATCH_LEVEL, once for each list.
unsafe extern "C" fn built<M: Miniport>(
    _device_object: *mut PVOID,
    _irp: *mut PVOID,
    list: *mut STOR_SCATTER_GATHER_LIST,
    context: PVOID,
) {
    // SAFETY: the slot lies in the device extension, which its rundown reference keeps until the pin below is gone.
    let slot = unsafe { &*context.cast::<MemorySlot>() };
    slot.list.store(list.cast(), Ordering::Release);
    // SAFETY: as above; the slot's maker wrote its own extension down.
    let live = unsafe { Extension::<M>::from_raw(slot.extension.load(Ordering::Relaxed)) };
    let waiting = slot.notify.load(Ordering::Relaxed).checked_sub(1);
    if let Some(dpc) = waiting.filter(|_| !live.header.rundown.is_closed()) {
        live.issue_dpc(dpc as usize);
    }
    let mut slots = (0_u32..).zip(live.table.memory());
    let found = slots.find(|(_, other)| ptr::eq(*other, slot));
    if slot.state.unpin(true)
        && let Some((index, _)) = found
    {
        // SAFETY: elected; DISPATCH_LEVEL; nothing of the extension is used afterwards.
        unsafe { live.free_memory(index, true) };
    }
}
