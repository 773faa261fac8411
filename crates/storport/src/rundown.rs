//! Removal: what is outstanding, who completes the held removal SRB.

#[cfg(not(loom))]
use zerocopy::FromZeros;

use crate::sync::{AtomicPtr, AtomicU32, Ordering, mutated, ordering};

const CLOSED: u32 = 1 << 31;
const HELD: u32 = 1 << 30;
const COUNT: u32 = HELD - 1;

/// Counts the references that keep an adapter alive, and holds the removal SRB until the last is gone.
///
/// All zeroes is open with no reference. Every field is an atomic, so that the memory may be gone as soon as the
/// reference is: [`Rundown::release`] touches nothing after its decrement, unless it took the last reference and an SRB
/// is held, which keeps the memory until that SRB is completed.
#[derive(Debug, Default)]
#[cfg_attr(not(loom), derive(FromZeros))]
#[repr(C)]
pub struct Rundown {
    held: AtomicPtr<u8>,
    word: AtomicU32,
}

impl Rundown {
    fn update(&self, next: impl FnMut(u32) -> Option<u32>) -> Result<u32, u32> {
        self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, next)
    }

    /// Takes a reference; false once removal has begun.
    #[must_use]
    pub fn acquire(&self) -> bool {
        self.update(|word| (word & CLOSED == 0 && word & COUNT != COUNT).then(|| word.wrapping_add(1)))
            .is_ok()
    }

    /// Drops a reference. The caller that drops the last one after removal began gets what was held.
    #[must_use]
    pub fn release(&self) -> Option<*mut u8> {
        // Release: what was done under the reference comes before the end; acquire: all of it, for the last one.
        let success = ordering(Ordering::AcqRel, "release-relaxed");
        let before = self
            .word
            .fetch_update(success, Ordering::Relaxed, |word| {
                (word & COUNT != 0).then(|| word.wrapping_sub(1))
            })
            .ok()?;
        // Without HELD nobody keeps the memory: not even a look at `held` is allowed.
        if before != CLOSED | HELD | 1 && !mutated("any-reference-completes") {
            return None;
        }
        let held = self.held.swap(core::ptr::null_mut(), Ordering::AcqRel);
        (!held.is_null()).then_some(held)
    }

    /// Removal begins: no more references, and `srb` is held until the last one is gone. The caller has one itself, for
    /// as long as it tears down; its [`Rundown::release`] gives the SRB back at once if no other is outstanding.
    ///
    /// False, and no reference, if an SRB is held already.
    #[must_use]
    pub fn close(&self, srb: *mut u8) -> bool {
        let own = u32::from(!mutated("close-without-a-reference"));
        let closed = self.update(|word| {
            (word & HELD == 0 && word & COUNT != COUNT).then(|| (word | CLOSED | HELD).wrapping_add(own))
        });
        if closed.is_err() {
            return false;
        }
        // The caller's own reference keeps every other from being the last; its release publishes this.
        self.held.store(srb, Ordering::Release);
        true
    }

    /// No more references, without an SRB to hold: the start has failed, or the adapter is found again. An SRB that is
    /// held stays held.
    pub fn close_without_srb(&self) {
        self.word.fetch_or(CLOSED, Ordering::AcqRel);
    }

    /// Open again. False, and no change, unless it is closed, no reference is outstanding and no SRB is held.
    #[must_use]
    pub fn reopen(&self) -> bool {
        self.held.load(Ordering::Acquire).is_null()
            && self
                .update(|word| (word & CLOSED != 0 && word & COUNT == 0).then_some(0))
                .is_ok()
    }

    /// Removal has begun.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.word.load(Ordering::Acquire) & CLOSED != 0
    }

    /// No reference is outstanding.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.word.load(Ordering::Acquire) & COUNT == 0
    }

    /// Whether a removal SRB has been held here, and is completed.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.word.load(Ordering::Acquire) == CLOSED | HELD
    }

    /// Loom checks that nobody uses the rundown at the same time or later without being ordered after this.
    #[cfg(loom)]
    pub fn reclaim(&mut self) {
        self.word.with_mut(|_| ());
        self.held.with_mut(|_| ());
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_idle_adapter_gives_the_srb_back_when_the_teardown_ends() {
        let rundown = Rundown::default();
        let mut srb = 1u8;
        assert!(rundown.close(&raw mut srb));
        assert!(!rundown.acquire());
        assert_eq!(rundown.release(), Some(&raw mut srb));
        assert_eq!(rundown.release(), None);
    }

    #[test]
    fn the_last_reference_gets_the_srb_and_only_once() {
        let rundown = Rundown::default();
        let mut srb = 1u8;
        assert!(rundown.acquire());
        assert!(rundown.acquire());
        assert!(rundown.close(&raw mut srb));
        assert_eq!(rundown.release(), None);
        assert_eq!(rundown.release(), None);
        assert_eq!(rundown.release(), Some(&raw mut srb));
        assert_eq!(rundown.release(), None);
    }

    #[test]
    fn nothing_is_held_before_removal() {
        let rundown = Rundown::default();
        assert!(rundown.acquire());
        assert_eq!(rundown.release(), None);
        assert!(!rundown.is_closed());
    }

    #[test]
    fn what_closes_without_an_srb_lets_a_held_one_be() {
        let rundown = Rundown::default();
        let mut srb = 1u8;
        let mut other = 2u8;
        assert!(rundown.close(&raw mut srb));
        rundown.close_without_srb();
        assert!(!rundown.close(&raw mut other));
        assert!(!rundown.reopen());
        assert_eq!(rundown.release(), Some(&raw mut srb));
        assert!(rundown.reopen());
    }

    #[test]
    fn the_last_reference_of_a_failed_start_gives_nothing() {
        let rundown = Rundown::default();
        assert!(rundown.acquire());
        rundown.close_without_srb();
        assert!(!rundown.is_idle());
        assert!(!rundown.reopen());
        assert_eq!(rundown.release(), None);
        assert!(rundown.is_idle());
        assert!(rundown.reopen());
        assert!(rundown.acquire());
    }

    #[test]
    fn a_removal_srb_after_a_failed_start_is_held_like_any_other() {
        let rundown = Rundown::default();
        let mut srb = 1u8;
        assert!(rundown.acquire());
        rundown.close_without_srb();
        assert!(rundown.close(&raw mut srb));
        assert_eq!(rundown.release(), None);
        assert_eq!(rundown.release(), Some(&raw mut srb));
    }
}
