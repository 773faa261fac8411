//! Cells for packed objects.

use std::collections::BTreeMap;

use super::{PAGE, Request};

/// The smallest cell.
const SMALLEST: usize = 128;
/// The largest; what does not fit gets pages of its own.
const LARGEST: usize = 64 << 10;
/// Bytes mapped at a time.
pub(super) const SLAB: usize = 256 << 10;
/// Canary bytes on each side at least.
const MARGIN: usize = 16;

/// Free cells by size and by the backing's kind of memory.
#[derive(Debug, Default)]
pub(super) struct Cells {
    free: BTreeMap<(usize, u8), Vec<u64>>,
}

/// Size of the cell for a request, and where in it the object begins; `None` if it is too large to be packed.
pub(super) fn shape(request: &Request, length: usize) -> Option<(usize, usize)> {
    let front = MARGIN.max(request.alignment);
    let cell = front
        .checked_add(length)?
        .checked_add(MARGIN)?
        .max(SMALLEST)
        .checked_next_power_of_two()?;
    (cell <= LARGEST && request.alignment <= PAGE).then_some((cell, front))
}

impl Cells {
    pub(super) fn take(&mut self, size: usize, kind: u8) -> Option<u64> {
        self.free.get_mut(&(size, kind))?.pop()
    }

    pub(super) fn give(&mut self, size: usize, kind: u8, address: u64) {
        self.free.entry((size, kind)).or_default().push(address);
    }

    /// Cuts a fresh slab into cells.
    pub(super) fn add_slab(&mut self, size: usize, kind: u8, slab: u64) {
        let cells = (0..SLAB / size).rev().map(|index| slab + (index * size) as u64);
        self.free.entry((size, kind)).or_default().extend(cells);
    }
}
