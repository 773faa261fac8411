//! What a device is entitled to, by small pieces of the memory that it sees.

use std::{
    ops::Range,
    sync::{
        OnceLock,
        atomic::{AtomicU8, Ordering},
    },
};

/// Bytes of a piece. The smallest cell of a slab is as large, so that no two objects share one.
const GRANULE: u64 = 128;

/// What the device may do to a piece of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Entitlement {
    /// Nothing: nobody's, or kept by the port driver.
    None = 0,
    /// Read it: the data of a request that goes to the device.
    Read = 1,
    /// Read and write it: the driver's own memory, the data of a request that comes from the device.
    Write = 2,
}

/// Pieces that are kept together, from when the first of them is somebody's: a life uses little of a large region.
const CHUNK: usize = 8192;

/// What the device may do to all of a region.
#[derive(Debug)]
pub struct Granules {
    device_address: u64,
    count: usize,
    chunks: Box<[OnceLock<Box<[AtomicU8]>>]>,
}

impl Granules {
    pub(super) fn new(device_address: u64, length: u64) -> Self {
        let count = super::size(length.div_ceil(GRANULE));
        Self {
            device_address,
            count,
            chunks: (0..count.div_ceil(CHUNK)).map(|_| OnceLock::new()).collect(),
        }
    }

    /// Numbers of the pieces that a range touches; `None` if it is not wholly in the region.
    fn range(&self, device_address: u64, length: u64) -> Option<Range<usize>> {
        let first = device_address.checked_sub(self.device_address)?;
        let end = first.checked_add(length)?.div_ceil(GRANULE);
        let range = usize::try_from(first / GRANULE).ok()?..usize::try_from(end).ok()?;
        (range.end <= self.count).then_some(range)
    }

    /// Says what the device may do to a range from now on.
    pub(super) fn set(&self, device_address: u64, length: u64, entitlement: Entitlement) {
        for index in self.range(device_address, length).into_iter().flatten() {
            let Some(chunk) = self.chunks.get(index / CHUNK) else {
                continue;
            };
            let nobodys = || {
                (0..CHUNK)
                    .map(|_| AtomicU8::new(Entitlement::None as u8))
                    .collect()
            };
            if let Some(piece) = chunk.get_or_init(nobodys).get(index % CHUNK) {
                piece.store(entitlement as u8, Ordering::Release);
            }
        }
    }

    /// Whether the device may access the whole range; a range of no bytes may be.
    #[must_use]
    pub fn allow(&self, device_address: u64, length: u64, write: bool) -> bool {
        let least = if write {
            Entitlement::Write
        } else {
            Entitlement::Read
        };
        let allows = |index: usize| {
            let piece = self.chunks.get(index / CHUNK)?.get()?.get(index % CHUNK)?;
            Some(piece.load(Ordering::Acquire) >= least as u8)
        };
        length == 0
            || self
                .range(device_address, length)
                .is_some_and(|mut range| range.all(|index| allows(index) == Some(true)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_the_devices_as_long_as_it_is_said_to_be() {
        let granules = Granules::new(0x1_0000, 0x1_0000);
        assert!(!granules.allow(0x1_0100, 1, false), "nobody's");
        granules.set(0x1_0100, 0x200, Entitlement::Read);
        assert!(granules.allow(0x1_0100, 0x200, false) && granules.allow(0x1_02ff, 1, false));
        assert!(!granules.allow(0x1_0100, 0x201, false), "beyond its end");
        assert!(!granules.allow(0x1_00ff, 2, false), "before its beginning");
        assert!(!granules.allow(0x1_0100, 1, true), "against the direction");
        granules.set(0x1_0180, 0x80, Entitlement::Write);
        assert!(granules.allow(0x1_0190, 8, true) && granules.allow(0x1_0100, 0x200, false));
        granules.set(0x1_0100, 0x200, Entitlement::None);
        assert!(!granules.allow(0x1_0190, 8, false), "taken away");
        assert!(
            !granules.allow(0xfff0, 8, false) && !granules.allow(u64::MAX, 8, true),
            "outside"
        );
        assert!(!granules.allow(0x1_fff0, 0x20, false), "across the end");
    }
}
