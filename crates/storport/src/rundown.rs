//! Removal: what is outstanding, who completes the held removal SRB.

use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use zerocopy::FromZeros;

const CLOSED: u32 = 1 << 31;

/// Counts the references that keep an adapter alive, and holds the removal SRB until the last is gone.
///
/// All zeroes is open with no reference.
#[derive(Debug, FromZeros)]
#[repr(C)]
pub struct Rundown {
    word: AtomicU32,
    _reserved: u32,
    held: AtomicPtr<u8>,
}

impl Rundown {
    /// An open rundown without references.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            word: AtomicU32::new(0),
            _reserved: 0,
            held: AtomicPtr::new(core::ptr::null_mut()),
        }
    }

    /// Takes a reference; false once removal has begun.
    pub fn acquire(&self) -> bool {
        self.word
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
                (word & CLOSED == 0).then_some(word.saturating_add(1))
            })
            .is_ok()
    }

    /// Drops a reference. The caller that drops the last one after removal began gets what was held.
    #[must_use]
    pub fn release(&self) -> Option<*mut u8> {
        let before = self
            .word
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
                (word & !CLOSED != 0).then(|| word.wrapping_sub(1))
            })
            .ok()?;
        (before == CLOSED | 1).then(|| self.take_held()).flatten()
    }

    /// Removal begins: no more references. Holds `srb` until the last one is gone; gives it back at once if none
    /// is outstanding.
    #[must_use]
    pub fn close(&self, srb: *mut u8) -> Option<*mut u8> {
        self.held.store(srb, Ordering::Release);
        let before = self.word.fetch_or(CLOSED, Ordering::AcqRel);
        (before & !CLOSED == 0).then(|| self.take_held()).flatten()
    }

    /// Removal has begun.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.word.load(Ordering::Acquire) & CLOSED != 0
    }

    /// No reference is outstanding.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.word.load(Ordering::Acquire) & !CLOSED == 0
    }

    fn take_held(&self) -> Option<*mut u8> {
        let held = self.held.swap(core::ptr::null_mut(), Ordering::AcqRel);
        (!held.is_null()).then_some(held)
    }
}

impl Default for Rundown {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_adapter_gives_the_srb_back_at_once() {
        let rundown = Rundown::new();
        let mut srb = 1u8;
        assert_eq!(rundown.close(&raw mut srb), Some(&raw mut srb));
        assert!(!rundown.acquire());
    }

    #[test]
    fn the_last_reference_gets_the_srb_and_only_once() {
        let rundown = Rundown::new();
        let mut srb = 1u8;
        assert!(rundown.acquire());
        assert!(rundown.acquire());
        assert_eq!(rundown.close(&raw mut srb), None);
        assert_eq!(rundown.release(), None);
        assert_eq!(rundown.release(), Some(&raw mut srb));
        assert_eq!(rundown.release(), None);
    }

    #[test]
    fn nothing_is_held_before_removal() {
        let rundown = Rundown::new();
        assert!(rundown.acquire());
        assert_eq!(rundown.release(), None);
        assert!(!rundown.is_closed());
    }
}
