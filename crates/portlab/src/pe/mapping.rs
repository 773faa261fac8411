//! Pages for an image.
#![expect(unsafe_code, reason = "maps, fills and protects the image's pages")]

use std::{io, ptr};

use rustix::mm::{self, MapFlags, MprotectFlags, ProtFlags};

use super::LoadError;

const PAGE: usize = 4096;

/// Where images go by default: far from everything else, each with the 2 GiB on both sides that jumps reach, at
/// addresses that are the same in each run and never the preferred base (so that relocations are used).
const FIRST_BASE: usize = 0x2000_0000_0000;
const BASE_DISTANCE: usize = 0x2_0000_0000;
const BASES: usize = 512;

/// Pages for an image in the making; unmapped when dropped.
pub(super) struct Mapping {
    pub(super) base: usize,
    pub(super) size: usize,
}

impl Mapping {
    /// Leaves the pages to somebody else to unmap.
    pub(super) fn keep(self) {
        std::mem::forget(self);
    }

    pub(super) fn new(size: usize, address: Option<usize>) -> Result<Self, LoadError> {
        let failed = |error: io::Error| LoadError::Map {
            size,
            at: address
                .map(|address| format!(" at {address:#x}"))
                .unwrap_or_default(),
            error,
        };
        let map = |address: usize, flags: MapFlags| {
            let hint = ptr::with_exposed_provenance_mut(address);
            // SAFETY: NOREPLACE, or an address of the kernel's choice: nothing that exists is touched.
            unsafe {
                mm::mmap_anonymous(
                    hint,
                    size,
                    ProtFlags::READ | ProtFlags::WRITE,
                    MapFlags::PRIVATE | flags,
                )
            }
            .map(|memory| Self {
                base: memory.expose_provenance(),
                size,
            })
            .map_err(io::Error::from)
        };
        if let Some(address) = address {
            if address % PAGE != 0 {
                return Err(failed(io::ErrorKind::InvalidInput.into()));
            }
            return map(address, MapFlags::FIXED_NOREPLACE).map_err(failed);
        }
        (0..BASES)
            .find_map(|index| map(FIRST_BASE + index * BASE_DISTANCE, MapFlags::FIXED_NOREPLACE).ok())
            .map_or_else(|| map(0, MapFlags::empty()), Ok)
            .map_err(failed)
    }

    pub(super) fn fill(&self, offset: usize, bytes: &[u8]) {
        debug_assert!(offset + bytes.len() <= self.size);
        let memory = ptr::with_exposed_provenance_mut::<u8>(self.base + offset);
        // SAFETY: the bytes lie within the mapping, which is still writable and nobody else's.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), memory, bytes.len()) };
    }

    pub(super) fn protect(
        &self,
        offset: usize,
        length: usize,
        flags: MprotectFlags,
    ) -> Result<(), LoadError> {
        if length == 0 {
            return Ok(());
        }
        debug_assert!(offset + length <= self.size);
        let memory = ptr::with_exposed_provenance_mut(self.base + offset);
        // SAFETY: the pages belong to this mapping and no code runs in it yet.
        unsafe { mm::mprotect(memory, length, flags) }.map_err(|error| LoadError::Map {
            size: length,
            at: String::new(),
            error: error.into(),
        })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nothing refers into it yet.
        let unmapped = unsafe { mm::munmap(ptr::with_exposed_provenance_mut(self.base), self.size) };
        debug_assert!(unmapped.is_ok());
    }
}
