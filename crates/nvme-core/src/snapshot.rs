//! Two words that one writer replaces and many read without a lock (a sequence lock).
//!
//! What `HwStorStartIo` needs of a unit is read there on every processor at once, and changes when a scan ends. Nobody is
//! excluded: a reader that meets the writer says so.
//!
//! # Invariants
//!
//! * *Whole or not at all*: what [`Snapshot::read`] gives was put by one [`Snapshot::write`].
//! * *One writer at a time*: two would leave a mixture that reads as whole; the miniport writes under the StartIo lock.

#[cfg(not(loom))]
use zerocopy::FromZeros;

use crate::sync::{AtomicU32, AtomicU64, Ordering, fence};

/// Two words of 64 bits. All zeroes: words of zero.
#[derive(Debug)]
#[cfg_attr(not(loom), derive(FromZeros))]
#[repr(C)]
pub struct Snapshot {
    first: AtomicU64,
    second: AtomicU64,
    /// Odd while it is written.
    sequence: AtomicU32,
    padding: AtomicU32,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            first: AtomicU64::new(0),
            second: AtomicU64::new(0),
            sequence: AtomicU32::new(0),
            padding: AtomicU32::new(0),
        }
    }
}

impl Snapshot {
    /// The words; `None` while they are replaced, which takes a few instructions.
    #[inline]
    pub fn read(&self) -> Option<[u64; 2]> {
        let before = self.sequence.load(Ordering::Acquire);
        let words = [
            self.first.load(Ordering::Relaxed),
            self.second.load(Ordering::Relaxed),
        ];
        // No word is read after the second look at the sequence.
        fence(Ordering::Acquire);
        (before & 1 == 0 && self.sequence.load(Ordering::Relaxed) == before).then_some(words)
    }

    /// Replaces the words. One caller at a time.
    pub fn write(&self, [first, second]: [u64; 2]) {
        let before = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(before.wrapping_add(1), Ordering::Relaxed);
        // No word is seen before the odd sequence is.
        fence(Ordering::Release);
        self.first.store(first, Ordering::Relaxed);
        self.second.store(second, Ordering::Relaxed);
        self.sequence.store(before.wrapping_add(2), Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_last_is_read() {
        let snapshot = Snapshot::default();
        assert_eq!(snapshot.read(), Some([0, 0]));
        snapshot.write([1, 2]);
        snapshot.write([3, 4]);
        assert_eq!(snapshot.read(), Some([3, 4]));
    }
}
