//! Memory that the device reads and writes.

use core::{marker::PhantomData, ptr::NonNull};

/// A range of DMA memory, with its address on the bus.
///
/// The device writes it at any time, so it is never borrowed: every access is a volatile copy, one machine access for
/// each word or byte, as kernel code does it. Two processors that access the same word at once get an old or a new word,
/// never a torn one; who may write which part is the miniport's protocol with the device. Accesses outside the
/// range read as zero and write nothing; [`Dma::slice`] narrows a range with a check.
#[derive(Clone, Copy)]
pub struct Dma<'dev> {
    base: NonNull<u8>,
    bus_address: u64,
    length: usize,
    device: PhantomData<&'dev mut &'dev ()>,
}

// SAFETY: only volatile copies are made; who may touch which part is the miniport's protocol with the device.
unsafe impl Send for Dma<'_> {}
// SAFETY: as above; what is read is untrusted data, whoever wrote it.
unsafe impl Sync for Dma<'_> {}

impl Dma<'_> {
    /// # Safety
    /// `base` maps `length` bytes, physically contiguous at `bus_address`, as long as `'dev`.
    pub(crate) unsafe fn new(base: NonNull<u8>, bus_address: u64, length: usize) -> Self {
        Self {
            base,
            bus_address,
            length,
            device: PhantomData,
        }
    }

    /// Address of the first byte as the device sees it.
    #[must_use]
    pub fn bus_address(&self) -> u64 {
        self.bus_address
    }

    /// Length in bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// The part of `length` bytes at `offset`.
    #[must_use]
    pub fn slice(&self, offset: usize, length: usize) -> Option<Self> {
        if offset.checked_add(length)? > self.length {
            return None;
        }
        // SAFETY: the offset lies within the range.
        let base = unsafe { self.base.add(offset) };
        let bus_address = self.bus_address.checked_add(u64::try_from(offset).ok()?)?;
        Some(Self {
            base,
            bus_address,
            length,
            device: PhantomData,
        })
    }

    fn at(&self, offset: usize) -> Option<*mut u32> {
        if offset.checked_add(4)? > self.length {
            return None;
        }
        // SAFETY: the access lies within the range.
        let byte = unsafe { self.base.as_ptr().add(offset) };
        #[expect(clippy::cast_ptr_alignment, reason = "checked in the next line")]
        let word = byte.cast::<u32>();
        word.is_aligned().then_some(word)
    }

    /// Reads the 32-bit word at `offset` once.
    #[must_use]
    pub fn read32(&self, offset: usize) -> u32 {
        // SAFETY: within the range and aligned.
        self.at(offset).map_or(0, |word| unsafe { word.read_volatile() })
    }

    /// Writes the 32-bit word at `offset`.
    pub fn write32(&self, offset: usize, value: u32) {
        if let Some(word) = self.at(offset) {
            // SAFETY: within the range and aligned.
            unsafe { word.write_volatile(value) };
        }
    }

    /// Copies out, beginning at `offset`, as much as lies within the range. Returns the number of bytes.
    pub fn read(&self, offset: usize, target: &mut [u8]) -> usize {
        let mut count = 0_usize;
        for (place, byte) in (offset..self.length).zip(target.iter_mut()) {
            // SAFETY: `place` lies within the range.
            let source = unsafe { self.base.as_ptr().add(place) };
            // SAFETY: as above.
            *byte = unsafe { source.read_volatile() };
            count = count.wrapping_add(1);
        }
        count
    }

    /// Fills the range with zeroes.
    pub fn zero(&self) {
        let mut offset = 0_usize;
        while offset < self.length {
            // SAFETY: `offset` lies within the range.
            let place = unsafe { self.base.as_ptr().add(offset) };
            // SAFETY: as above.
            unsafe { place.write_volatile(0) };
            offset = offset.wrapping_add(1);
        }
    }
}
