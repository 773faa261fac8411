//! Address space set aside for an arena, and the pages mapped into it.
#![expect(
    unsafe_code,
    reason = "maps pages into the arena's own address space and fills them"
)]

use std::{io, os::fd::BorrowedFd, ptr};

use rustix::mm::{self, MapFlags, ProtFlags};

use super::{PAGE, pointer};

/// Where arenas go by default: the same addresses in each run. Far from images (see `pe`).
const FIRST_BASE: usize = 0x3000_0000_0000;
const BASE_DISTANCE: usize = 0x100_0000_0000;
const BASES: usize = 64;

/// Inaccessible address space.
#[derive(Debug)]
pub(super) struct Reservation {
    base: usize,
    size: usize,
}

const NOTHING: MapFlags = MapFlags::PRIVATE.union(MapFlags::NORESERVE);

impl Reservation {
    /// Sets `size` bytes aside, at `address` or at one of the lab's own choice.
    pub(super) fn new(size: usize, address: Option<usize>) -> io::Result<Self> {
        let map = |address: usize, flags: MapFlags| {
            let hint = ptr::with_exposed_provenance_mut(address);
            // SAFETY: NOREPLACE, or an address of the kernel's choice: nothing that exists is touched.
            unsafe { mm::mmap_anonymous(hint, size, ProtFlags::empty(), NOTHING | flags) }
                .map(|memory| Self {
                    base: memory.expose_provenance(),
                    size,
                })
                .map_err(io::Error::from)
        };
        if let Some(address) = address {
            return map(address, MapFlags::FIXED_NOREPLACE);
        }
        (0..BASES)
            .find_map(|index| map(FIRST_BASE + index * BASE_DISTANCE, MapFlags::FIXED_NOREPLACE).ok())
            .map_or_else(|| map(0, MapFlags::empty()), Ok)
    }

    pub(super) const fn base(&self) -> u64 {
        self.base as u64
    }

    pub(super) const fn end(&self) -> u64 {
        (self.base + self.size) as u64
    }

    fn place(&self, address: u64, length: usize) -> *mut u8 {
        assert!(
            address >= self.base() && address.saturating_add(length as u64) <= self.end(),
            "an arena stays within its own address space"
        );
        pointer(address)
    }

    /// Maps fresh zeroed pages.
    pub(super) fn map_anonymous(&self, address: u64, length: usize) -> io::Result<()> {
        let place = self.place(address, length).cast();
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the range lies in this reservation, and the arena knows that nothing lives there.
        unsafe { mm::mmap_anonymous(place, length, access, MapFlags::PRIVATE | MapFlags::FIXED) }?;
        Ok(())
    }

    /// Maps pages of a file, shared.
    pub(super) fn map_shared(
        &self,
        address: u64,
        length: usize,
        file: BorrowedFd<'_>,
        offset: u64,
    ) -> io::Result<()> {
        let place = self.place(address, length).cast();
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: as in `map_anonymous`; the file's bytes belong to the arena.
        unsafe {
            mm::mmap(
                place,
                length,
                access,
                MapFlags::SHARED | MapFlags::FIXED,
                file,
                offset,
            )
        }?;
        Ok(())
    }

    /// Makes pages inaccessible and gives their memory back.
    pub(super) fn unmap(&self, address: u64, length: usize) -> io::Result<()> {
        let place = self.place(address, length).cast();
        // SAFETY: as in `map_anonymous`; the object there was freed.
        unsafe { mm::mmap_anonymous(place, length, ProtFlags::empty(), NOTHING | MapFlags::FIXED) }?;
        Ok(())
    }

    /// Copies into mapped memory.
    pub(super) fn write(&self, address: u64, data: &[u8]) {
        let place = self.place(address, data.len());
        // SAFETY: the range is mapped and nobody else's: fresh, freed, or the slack around an object.
        unsafe { ptr::copy_nonoverlapping(data.as_ptr(), place, data.len()) };
    }

    /// Fills mapped memory with one byte.
    pub(super) fn fill(&self, address: u64, length: usize, byte: u8) {
        let place = self.place(address, length);
        // SAFETY: as in `write`.
        unsafe { ptr::write_bytes(place, byte, length) };
    }

    /// The first address whose byte is not `byte`, and what it is; a word at a time.
    pub(super) fn first_other_than(&self, address: u64, length: usize, byte: u8) -> Option<(u64, u8)> {
        const WORD: usize = size_of::<u64>();
        let expected = u64::from_ne_bytes([byte; WORD]);
        let mut from = 0;
        if address.is_multiple_of(WORD as u64) {
            self.place(address, length);
            let place = pointer::<u64>(address);
            let words = length / WORD;
            let other = (0..words).find(|&index| {
                // SAFETY: the range is mapped and aligned; the driver may be writing it, hence volatile.
                let found = unsafe { place.wrapping_add(index).read_volatile() };
                found != expected
            });
            from = other.unwrap_or(words) * WORD;
        }
        self.other_from(address, length, from, |_| byte)
    }

    /// The first address whose byte is not the expected one, and what it is.
    pub(super) fn first_difference(&self, address: u64, expected: &[u8]) -> Option<(u64, u8)> {
        self.other_from(address, expected.len(), 0, |index| {
            expected.get(index).copied().unwrap_or(0)
        })
    }

    fn other_from(
        &self,
        address: u64,
        length: usize,
        from: usize,
        byte: impl Fn(usize) -> u8,
    ) -> Option<(u64, u8)> {
        let place = self.place(address, length);
        (from..length).find_map(|index| {
            // SAFETY: the range is mapped; the driver may be writing it, hence volatile.
            let found = unsafe { place.wrapping_add(index).read_volatile() };
            (found != byte(index)).then_some((address + index as u64, found))
        })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: the arena is gone, and with it everything that was handed out.
        let unmapped = unsafe { mm::munmap(ptr::with_exposed_provenance_mut(self.base), self.size) };
        debug_assert!(unmapped.is_ok());
    }
}

/// The smallest number of whole pages that hold `length` bytes, in bytes.
pub(super) const fn whole_pages(length: usize) -> Option<usize> {
    length.checked_next_multiple_of(PAGE)
}
