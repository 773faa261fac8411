//! Memory that the device reads and writes.

use core::{marker::PhantomData, ptr, ptr::NonNull};

use wdk_sys::{
    LARGE_INTEGER,
    storage::{StorPortGetVirtualAddress, StorPortMoveMemory},
};

use crate::{
    context::{Context, Exclusion, Irql},
    miniport::Miniport,
};

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

    /// Where in the range the device's address `bus_address` lies; `None` if it does not.
    #[must_use]
    pub fn offset_of(&self, bus_address: u64) -> Option<usize> {
        let offset = usize::try_from(bus_address.checked_sub(self.bus_address)?).ok()?;
        (offset < self.length).then_some(offset)
    }

    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }

    fn at<T>(&self, offset: usize) -> Option<*mut T> {
        if offset.checked_add(size_of::<T>())? > self.length {
            return None;
        }
        // SAFETY: the access lies within the range.
        let byte = unsafe { self.base.as_ptr().add(offset) };
        let word = byte.cast::<T>();
        word.is_aligned().then_some(word)
    }

    /// Reads the 32-bit word at `offset` once.
    #[must_use]
    pub fn read32(&self, offset: usize) -> u32 {
        // SAFETY: within the range and aligned.
        self.at::<u32>(offset)
            .map_or(0, |word| unsafe { word.read_volatile() })
    }

    /// Writes the 32-bit word at `offset`.
    pub fn write32(&self, offset: usize, value: u32) {
        if let Some(word) = self.at::<u32>(offset) {
            // SAFETY: within the range and aligned.
            unsafe { word.write_volatile(value) };
        }
    }

    /// Writes consecutive 32-bit words from `offset` on, in order, each in one access; none unless all lie within the
    /// range.
    pub fn write_words<const N: usize>(&self, offset: usize, words: &[u32; N]) {
        let Some(first) = self.at::<[u32; N]>(offset) else {
            return;
        };
        for (index, word) in words.iter().enumerate() {
            // SAFETY: there is room for N words.
            let place = unsafe { first.cast::<u32>().add(index) };
            // SAFETY: within the range and aligned.
            unsafe { place.write_volatile(*word) };
        }
    }

    /// Reads the 64-bit word at `offset` once.
    #[must_use]
    pub fn read64(&self, offset: usize) -> u64 {
        // SAFETY: within the range and aligned.
        self.at::<u64>(offset)
            .map_or(0, |word| unsafe { word.read_volatile() })
    }

    /// Writes the 64-bit word at `offset`.
    pub fn write64(&self, offset: usize, value: u64) {
        if let Some(word) = self.at::<u64>(offset) {
            // SAFETY: within the range and aligned.
            unsafe { word.write_volatile(value) };
        }
    }

    /// Copies `source` into the range from `offset` on, as much as fits. Returns the number of bytes.
    #[expect(clippy::must_use_candidate, reason = "it copies")]
    pub fn write(&self, offset: usize, source: &[u8]) -> usize {
        let mut count = 0_usize;
        for (place, byte) in (offset..self.length).zip(source.iter()) {
            // SAFETY: `place` lies within the range.
            let target = unsafe { self.base.as_ptr().add(place) };
            // SAFETY: as above.
            unsafe { target.write_volatile(*byte) };
            count = count.wrapping_add(1);
        }
        count
    }

    /// Copies `source` to the beginning of the range, as much as fits (`StorPortMoveMemory`; any IRQL; the two may overlap). Returns
    /// the number of bytes.
    #[expect(clippy::must_use_candidate, reason = "it copies")]
    pub fn copy_from(&self, source: &Dma<'_>) -> usize {
        let length = u32::try_from(self.length.min(source.length)).unwrap_or(u32::MAX);
        // SAFETY: both ranges have that many bytes; the port driver copies them as memory that others may write.
        unsafe {
            StorPortMoveMemory(self.base.as_ptr().cast(), source.base.as_ptr().cast(), length);
        };
        length as usize
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

impl<'dev, M: Miniport, I: Irql, X: Exclusion> Context<'dev, M, I, X> {
    /// The part of the uncached extension that the device knows as `length` bytes at `bus_address`
    /// (`StorPortGetVirtualAddress`; any IRQL). `None` if that does not lie in it: an address that a device told is
    /// checked before the port driver is asked.
    #[must_use]
    pub fn uncached_at(&self, bus_address: u64, length: usize) -> Option<Dma<'dev>> {
        let uncached = self.extension().uncached()?;
        // SAFETY: obtained with this length and contiguous on the bus; it lasts until the adapter is removed.
        let whole: Dma<'dev> = unsafe {
            Dma::new(
                NonNull::new(uncached.base)?,
                uncached.bus_address,
                uncached.length,
            )
        };
        let part = whole.slice(whole.offset_of(bus_address)?, length)?;
        let physical = LARGE_INTEGER {
            QuadPart: bus_address.cast_signed(),
        };
        // SAFETY: the extension is live; the address is one of the uncached extension.
        let address = unsafe { StorPortGetVirtualAddress(self.raw(), physical) };
        ptr::eq(address.cast::<u8>(), part.base().as_ptr()).then_some(part)
    }
}
