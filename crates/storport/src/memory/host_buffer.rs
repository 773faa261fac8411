//! Host memory buffers: `StorPortAllocateHostMemoryBuffer`, `StorPortFreeHostMemoryBuffer`.

use core::{marker::PhantomData, sync::atomic::Ordering};

use wdk_sys::ACCESS_RANGE;

use super::{
    ownership::Generation,
    pool::PoolTag,
    slot::{Kind, Made, NoMaking, NotFreed},
};
use crate::{
    brand::Brand,
    context::{AtMostDispatch, Context, Exclusion, Irql},
    ffi::{self, memory::HostBufferWish},
    miniport::Miniport,
    srb::Segment,
    status::{AllocateHostBufferError, AllocatePoolError},
};

/// Tag of the array of ranges.
const TAG: PoolTag = PoolTag::new(*b"HmbR");

/// What the device says of the buffer it wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostBufferRequest {
    /// Bytes that are useful at least; 0 for any.
    pub minimum: usize,
    /// Bytes that it prefers: a multiple of the page.
    pub preferred: usize,
    /// Bytes that are allocated on the device (`UtilizationBytes`).
    pub utilization: usize,
    /// Alignment of each range, in bytes.
    pub alignment: usize,
    /// Lowest physical address that will do.
    pub lowest: u64,
    /// Highest physical address that will do, inclusive.
    pub highest: u64,
    /// Ranges that the device takes at most.
    pub ranges: u32,
}

/// Memory that is the device's alone. A handle: copies are the same buffer.
pub struct HostBuffer<'dev, M> {
    index: u32,
    generation: Generation,
    device: Brand<'dev, M>,
}

impl<M> Clone for HostBuffer<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for HostBuffer<'_, M> {}

/// Why there is no host memory buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostBufferError {
    /// All memory slots of [`Slots`](crate::miniport::Slots) are taken.
    NoSlot,
    /// The adapter is being removed.
    Removing,
    /// No ranges, or more than fit 32 bits.
    Request,
    /// No memory for the array of ranges.
    Ranges(AllocatePoolError),
    /// `StorPortAllocateHostMemoryBuffer` said so.
    Allocate(AllocateHostBufferError),
}

impl From<NoMaking> for HostBufferError {
    fn from(none: NoMaking) -> Self {
        match none {
            NoMaking::NoSlot => Self::NoSlot,
            NoMaking::Removing => Self::Removing,
        }
    }
}

impl<'dev, M: Miniport, I: AtMostDispatch, X: Exclusion> Context<'dev, M, I, X> {
    /// Allocates memory for the device alone (`StorPortAllocateHostMemoryBuffer`). Its page names no IRQL: this keeps to that
    /// of the other allocations, <= DISPATCH.
    ///
    /// # Errors
    /// If no slot is free, the adapter is being removed, or the port driver refuses.
    pub fn allocate_host_buffer(
        &self,
        request: &HostBufferRequest,
    ) -> Result<HostBuffer<'dev, M>, HostBufferError> {
        let bytes = size_of::<ACCESS_RANGE>()
            .checked_mul(request.ranges as usize)
            .filter(|bytes| *bytes != 0)
            .and_then(|bytes| u32::try_from(bytes).ok())
            .ok_or(HostBufferError::Request)?;
        let making = self.make()?;
        let array = match self.pool_memory(bytes, TAG) {
            Ok(array) => array.cast::<ACCESS_RANGE>(),
            Err(error) => {
                self.unmake(&making);
                return Err(HostBufferError::Ranges(error));
            }
        };
        let wish = HostBufferWish {
            minimum: request.minimum,
            preferred: request.preferred,
            utilization: request.utilization,
            alignment: request.alignment,
            lowest: request.lowest,
            highest: request.highest,
        };
        let mut count = request.ranges;
        // SAFETY: the extension is live; the array has room for so many ranges.
        let status =
            unsafe { ffi::memory::allocate_host_buffer(self.raw(), &wish, array.as_ptr(), &mut count) };
        if let Err(error) = AllocateHostBufferError::check(status) {
            // SAFETY: the array is pool memory that nobody knows. If it is not freed, it is leaked.
            let _ = unsafe { ffi::memory::free_pool(self.raw(), array.as_ptr().cast()) };
            self.unmake(&making);
            return Err(HostBufferError::Allocate(error));
        }
        let made = Made {
            kind: Kind::HostBuffer,
            object: array.as_ptr().cast(),
            // The port driver says how many it filled in; more than there is room for cannot be.
            length: count.min(request.ranges) as usize,
            detail: 0,
            bus_address: 0,
            below: None,
        };
        self.record(&making, &made);
        if !self.made(&making) {
            return Err(HostBufferError::Removing);
        }
        Ok(HostBuffer {
            index: making.index,
            generation: making.generation,
            device: PhantomData,
        })
    }

    /// Frees a host memory buffer (`StorPortFreeHostMemoryBuffer`). The device uses it no more: that is the miniport's to know.
    ///
    /// # Errors
    /// If it is gone already.
    pub fn free_host_buffer(&self, buffer: HostBuffer<'dev, M>) -> Result<(), NotFreed> {
        self.close_slot(buffer.index, buffer.generation)
    }
}

impl<'dev, M: Miniport, I: Irql, X: Exclusion> Context<'dev, M, I, X> {
    /// Range `index` of a host memory buffer, to be told the device; any IRQL. `None` after the last one, and if the buffer is
    /// gone.
    #[must_use]
    pub fn host_buffer_range(&self, buffer: HostBuffer<'dev, M>, index: usize) -> Option<Segment> {
        self.with_slot(buffer.index, buffer.generation, |slot| {
            if index >= slot.length.load(Ordering::Relaxed) {
                return None;
            }
            let array = slot.object.load(Ordering::Relaxed).cast::<ACCESS_RANGE>();
            // SAFETY: the slot is pinned, and owns that many ranges.
            let place = unsafe { array.add(index) };
            // SAFETY: as above; the port driver filled it in.
            let range = unsafe { place.read() };
            // SAFETY: every bit pattern of the union is an i64.
            let bus_address = unsafe { range.RangeStart.QuadPart }.cast_unsigned();
            Some(Segment {
                bus_address,
                length: range.RangeLength,
            })
        })
        .flatten()
    }
}
