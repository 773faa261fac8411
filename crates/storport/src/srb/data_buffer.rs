//! Data buffers: copied, never borrowed.

use core::{marker::PhantomData, ptr::NonNull};

/// A data buffer that the port driver has mapped.
///
/// User threads may write it at any time: it is copied byte by byte with volatile accesses, never borrowed, and what was
/// read once may read differently again.
pub struct DataBuffer<'srb> {
    base: NonNull<u8>,
    length: usize,
    srb: PhantomData<&'srb mut ()>,
}

impl DataBuffer<'_> {
    /// # Safety
    /// `base` maps `length` bytes for the lifetime that the caller gives the buffer.
    pub(crate) unsafe fn new(base: NonNull<u8>, length: usize) -> Self {
        Self {
            base,
            length,
            srb: PhantomData,
        }
    }

    /// Length in bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// Copies `source` to the buffer from `offset` on, cut to its length. Returns the number of bytes.
    pub fn write(&mut self, offset: usize, source: &[u8]) -> usize {
        let mut count = 0_usize;
        for (offset, byte) in (offset..self.length).zip(source) {
            // SAFETY: `offset` lies within the buffer.
            let place = unsafe { self.base.add(offset) };
            // SAFETY: as above.
            unsafe { place.write_volatile(*byte) };
            count = count.wrapping_add(1);
        }
        count
    }

    /// Copies the beginning of the buffer to `target`, cut to its length. Returns the number of bytes.
    pub fn read(&self, target: &mut [u8]) -> usize {
        self.read_at(0, target)
    }

    /// Copies the buffer from `offset` on to `target`, cut to its length. Returns the number of bytes.
    pub fn read_at(&self, offset: usize, target: &mut [u8]) -> usize {
        let mut count = 0_usize;
        for (offset, byte) in (offset..self.length).zip(target) {
            // SAFETY: `offset` lies within the buffer.
            let place = unsafe { self.base.add(offset) };
            // SAFETY: as above.
            *byte = unsafe { place.read_volatile() };
            count = count.wrapping_add(1);
        }
        count
    }

    /// The part from `offset` on, at most `length` bytes of it.
    pub(super) fn into_part(self, offset: usize, length: usize) -> Option<Self> {
        let rest = self.length.checked_sub(offset)?;
        // SAFETY: `offset` lies within the buffer or at its end.
        let base = unsafe { self.base.add(offset) };
        Some(Self {
            base,
            length: length.min(rest),
            srb: PhantomData,
        })
    }
}
