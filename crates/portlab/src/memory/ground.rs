//! Where a deterministic life has its memory: the same addresses in every process.
//!
//! A *lane* is 256 GiB of address space for one life at a time: its image, stacks, register windows and arenas lie at fixed distances
//! from its beginning. Lives on the lowest free lane have the same addresses whatever ran before them. Whoever has something on a
//! lane holds it: what a crash left behind keeps its lane for good.

use std::sync::atomic::{AtomicBool, Ordering};

const LANES: usize = 96;
/// Far from images, arenas and stacks that lie wherever there is room.
const FIRST: usize = 0x0400_0000_0000;
const LENGTH: usize = 0x40_0000_0000;

/// Distances from the lane's beginning. Jumps from the image reach 2 GiB to both sides.
const IMAGE: usize = 0x2_0000_0000;
const STACKS: usize = 0x4_0000_0000;
const STACK_DISTANCE: usize = 16 << 20;
const WINDOWS: usize = 0x8_0000_0000;
const WINDOW_DISTANCE: usize = 256 << 20;
const POOL: usize = 0x10_0000_0000;
const DMA: usize = 0x20_0000_0000;

static TAKEN: [AtomicBool; LANES] = [const { AtomicBool::new(false) }; LANES];

/// A lane that is one life's.
#[derive(Debug)]
pub struct Ground {
    lane: usize,
}

impl Ground {
    /// The lowest free lane; `None` if as many lives go on as there are lanes.
    #[must_use]
    pub fn claim() -> Option<Self> {
        let lane = TAKEN
            .iter()
            .position(|taken| !taken.swap(true, Ordering::AcqRel))?;
        Some(Self { lane })
    }

    const fn at(&self, distance: usize) -> usize {
        FIRST + self.lane * LENGTH + distance
    }

    /// Where the driver's image goes.
    #[must_use]
    pub const fn image(&self) -> usize {
        self.at(IMAGE)
    }

    /// Where stack number `index` goes.
    #[must_use]
    pub const fn stack(&self, index: usize) -> usize {
        self.at(STACKS) + index * STACK_DISTANCE
    }

    /// Where register window number `index` goes, if there is room for that many.
    #[must_use]
    pub fn window(&self, index: usize) -> Option<u64> {
        let distance = index.checked_mul(WINDOW_DISTANCE)?;
        (distance < POOL - WINDOWS).then_some((self.at(WINDOWS) + distance) as u64)
    }

    /// Where the pool goes.
    #[must_use]
    pub const fn pool(&self) -> usize {
        self.at(POOL)
    }

    /// Where the memory goes that the device sees.
    #[must_use]
    pub const fn dma(&self) -> usize {
        self.at(DMA)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        TAKEN[self.lane].store(false, Ordering::Release);
    }
}

/// An address without its lane; others are returned as they are.
#[must_use]
pub const fn relative(address: u64) -> u64 {
    let (first, length) = (FIRST as u64, LENGTH as u64);
    if address >= first && address < first + LANES as u64 * length {
        address % length
    } else {
        address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_lie_apart() {
        let (one, other) = (Ground::claim().unwrap(), Ground::claim().unwrap());
        assert!(one.pool().abs_diff(other.pool()) >= LENGTH);
        assert_eq!(
            relative(one.image() as u64 + 5),
            relative(other.image() as u64 + 5)
        );
        assert_eq!(relative(0x5555_0000_0001), 0x5555_0000_0001);
        assert_ne!(one.window(0), one.window(1));
        assert_eq!(one.window(usize::MAX), None);
    }
}
