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

impl<'dev> Dma<'dev> {
    /// The range as entries of `QWORDS` 64-bit words each, as many as fit; `None` if it is not aligned to 8 bytes.
    #[must_use]
    pub fn entries<const QWORDS: usize>(&self) -> Option<Entries<'dev, QWORDS>> {
        let base = self.base.cast::<[u64; QWORDS]>();
        let count = self.length.checked_div(size_of::<[u64; QWORDS]>())?;
        base.is_aligned().then_some(Entries {
            base,
            count: u32::try_from(count).ok()?,
            device: PhantomData,
        })
    }
}

/// DMA memory as a table of entries: of a queue. What is asked once of a [`Dma`] is not asked at each access.
#[derive(Clone, Copy)]
pub struct Entries<'dev, const QWORDS: usize> {
    base: NonNull<[u64; QWORDS]>,
    count: u32,
    device: PhantomData<&'dev mut &'dev ()>,
}

// SAFETY: as for `Dma`.
unsafe impl<const QWORDS: usize> Send for Entries<'_, QWORDS> {}
// SAFETY: as for `Dma`.
unsafe impl<const QWORDS: usize> Sync for Entries<'_, QWORDS> {}

impl<const QWORDS: usize> Entries<'_, QWORDS> {
    #[inline]
    fn entry(&self, index: u16) -> Option<NonNull<[u64; QWORDS]>> {
        if u32::from(index) >= self.count {
            return None;
        }
        // SAFETY: the table has more than `index` entries.
        Some(unsafe { self.base.add(usize::from(index)) })
    }

    /// Reads 32-bit word `word` of an entry once; 0 if there is none.
    #[must_use]
    #[inline]
    pub fn read32(&self, index: u16, word: usize) -> u32 {
        let Some(entry) = self.entry(index).filter(|_| word < QWORDS.saturating_mul(2)) else {
            return 0;
        };
        // SAFETY: the word lies within the entry.
        let place = unsafe { entry.cast::<u32>().add(word) };
        // SAFETY: within the range and aligned.
        unsafe { place.read_volatile() }
    }

    /// Reads 64-bit word `word` of an entry once; 0 if there is none.
    #[must_use]
    #[inline]
    pub fn read64(&self, index: u16, word: usize) -> u64 {
        let Some(entry) = self.entry(index).filter(|_| word < QWORDS) else {
            return 0;
        };
        // SAFETY: the word lies within the entry.
        let place = unsafe { entry.cast::<u64>().add(word) };
        // SAFETY: within the range and aligned.
        unsafe { place.read_volatile() }
    }

    /// Writes an entry in order, in accesses of 16 bytes or 8; nothing if there is none.
    #[inline]
    pub fn write(&self, index: u16, entry: &[u64; QWORDS]) {
        let Some(first) = self.entry(index) else {
            return;
        };
        let (pairs, rest) = entry.as_chunks::<2>();
        for (index, pair) in pairs.iter().enumerate() {
            // SAFETY: an entry has QWORDS words, so that there is room for this pair of them.
            let place = unsafe { first.cast::<[u64; 2]>().add(index) };
            write_pair(place, *pair);
        }
        if let ([word], Some(index)) = (rest, QWORDS.checked_sub(1)) {
            // SAFETY: an entry has QWORDS words.
            let place = unsafe { first.cast::<u64>().add(index) };
            // SAFETY: within the range and aligned.
            unsafe { place.write_volatile(*word) };
        }
    }
}

/// Writes two words of an entry.
#[inline]
fn write_pair(place: NonNull<[u64; 2]>, [low, high]: [u64; 2]) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{__m128i, _mm_set_epi64x, _mm_storeu_si128};
        // SAFETY: SSE2 is part of x86-64.
        let both = unsafe { _mm_set_epi64x(high.cast_signed(), low.cast_signed()) };
        #[expect(clippy::cast_ptr_alignment, reason = "the store asks for no alignment")]
        let target = place.as_ptr().cast::<__m128i>();
        // SAFETY: the caller's entry has room for both words; the doorbell's fence keeps the store before it.
        unsafe { _mm_storeu_si128(target, both) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    // SAFETY: the caller's entry has room for both words, and is aligned.
    unsafe {
        place.write_volatile([low, high]);
    };
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
