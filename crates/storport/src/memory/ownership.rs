//! Who may use an allocation, and who frees it.
//!
//! An allocation is owned by a slot of the framework. Using it takes a *pin*; it is freed when it is closed and the last
//! pin is gone, by whoever let go last at an IRQL where freeing is legal. A handle is an index with a generation, so that a
//! handle that outlives its allocation finds nothing, and freeing twice is an error and no more. All of it is one atomic word.

use core::sync::atomic::{AtomicU64, Ordering};

use zerocopy::FromZeros;

/// Which use of a slot a handle belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation(u32);

/// What closing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// The handle's allocation is gone already.
    Gone,
    /// Somebody still uses it: it is freed when they let go.
    Later,
    /// The caller frees it, now.
    Free,
}

const VACANT: u64 = 0;
/// Its maker is making it, and holds a pin.
const MAKING: u64 = 1;
const LIVE: u64 = 2;
/// Nobody gets in any more; freed when the last pin is gone.
const CLOSING: u64 = 3;
/// Elected: exactly one caller is freeing it.
const FREEING: u64 = 4;
/// The port driver would not free it: never used again.
const RETIRED: u64 = 5;

const PHASE: u64 = 0xFF;
const PIN: u64 = 0x100;
const PINS: u64 = 0xFFFF_FF00;
const GENERATION_SHIFT: u32 = 32;
const STATE: u64 = PHASE | PINS;

const fn phase(word: u64) -> u64 {
    word & PHASE
}

const fn pins(word: u64) -> u64 {
    word & PINS
}

const fn generation(word: u64) -> Generation {
    Generation((word >> GENERATION_SHIFT) as u32)
}

const fn with_phase(word: u64, phase: u64) -> u64 {
    (word & !PHASE) | phase
}

/// The state of a slot. All zeroes is vacant.
#[derive(Debug, Default, FromZeros)]
#[repr(transparent)]
pub struct Ownership(AtomicU64);

impl Ownership {
    /// Moves on by `step` until it wins or gives up; the word before.
    fn update(&self, step: impl Fn(u64) -> Option<u64>) -> Option<u64> {
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, step)
            .ok()
    }

    /// Takes a vacant slot: the caller makes the allocation, and ends with [`Self::made`] or [`Self::abandon`].
    #[must_use]
    pub fn take(&self) -> Option<Generation> {
        let step = |word: u64| {
            (phase(word) == VACANT).then(|| {
                let next = (word >> GENERATION_SHIFT).wrapping_add(1) << GENERATION_SHIFT;
                next | PIN | MAKING
            })
        };
        self.update(step)
            .map(|before| Generation(generation(before).0.wrapping_add(1)))
    }

    /// There is no allocation after all.
    pub fn abandon(&self) {
        // The maker's pin keeps everybody else from doing more than to say that it is closing.
        let _ = self.update(|word| Some(word & !STATE));
    }

    /// The allocation is made. True if the slot was closed meanwhile: the caller frees it.
    #[must_use]
    pub fn made(&self) -> bool {
        let before = self.update(|word| {
            let unpinned = word.wrapping_sub(PIN);
            match (phase(word), pins(unpinned)) {
                (MAKING, _) => Some(with_phase(unpinned, LIVE)),
                (_, 0) => Some(with_phase(unpinned, FREEING)),
                _ => Some(unpinned),
            }
        });
        before.is_some_and(|word| phase(word) == CLOSING && pins(word) == PIN)
    }

    /// Begins a use of the allocation of `generation`; false if it is gone.
    #[must_use]
    pub fn pin(&self, wanted: Generation) -> bool {
        let step = |word: u64| {
            let usable = phase(word) == LIVE && generation(word) == wanted && pins(word) != PINS;
            usable.then(|| word.wrapping_add(PIN))
        };
        self.update(step).is_some()
    }

    /// Ends a use. True if the caller frees the allocation: only if `may_free`. Who may not leaves that to
    /// [`Self::reclaim`].
    #[must_use]
    pub fn unpin(&self, may_free: bool) -> bool {
        let last = |word: u64| may_free && phase(word) == CLOSING && pins(word) == PIN;
        let before = self.update(|word| {
            let unpinned = word.wrapping_sub(PIN);
            Some(if last(word) {
                with_phase(unpinned, FREEING)
            } else {
                unpinned
            })
        });
        before.is_some_and(last)
    }

    /// Closes the allocation of `generation`.
    #[must_use]
    pub fn close(&self, wanted: Generation) -> Closing {
        let before = self.update(|word| {
            (phase(word) == LIVE && generation(word) == wanted).then(|| {
                let next = if pins(word) == 0 { FREEING } else { CLOSING };
                with_phase(word, next)
            })
        });
        match before {
            None => Closing::Gone,
            Some(word) if pins(word) == 0 => Closing::Free,
            Some(_) => Closing::Later,
        }
    }

    /// Closes whatever is there. True if the caller frees it.
    #[must_use]
    pub fn shut(&self) -> bool {
        let before = self.update(|word| {
            let next = if pins(word) == 0 { FREEING } else { CLOSING };
            matches!(phase(word), MAKING | LIVE | CLOSING).then(|| with_phase(word, next))
        });
        before.is_some_and(|word| pins(word) == 0)
    }

    /// Takes over what was closed while somebody used it who could not free it. True if the caller frees it.
    #[must_use]
    pub fn reclaim(&self) -> bool {
        let step = |word: u64| (phase(word) == CLOSING && pins(word) == 0).then(|| with_phase(word, FREEING));
        self.update(step).is_some()
    }

    /// It is freed: the slot is vacant again.
    pub fn freed(&self) {
        let _ = self.update(|word| Some(word & !STATE));
    }

    /// The port driver would not free it.
    pub fn retire(&self) {
        let _ = self.update(|word| Some((word & !STATE) | RETIRED));
    }

    /// Whether the slot is vacant.
    #[must_use]
    pub fn is_vacant(&self) -> bool {
        phase(self.0.load(Ordering::Acquire)) == VACANT
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::AtomicU32;

    use proptest::prelude::*;

    use super::*;

    fn live() -> (Ownership, Generation) {
        let slot = Ownership::default();
        let generation = slot.take().expect("vacant");
        assert!(!slot.made());
        (slot, generation)
    }

    #[test]
    fn what_is_freed_twice_is_gone_the_second_time() {
        let (slot, generation) = live();
        assert_eq!(slot.close(generation), Closing::Free);
        slot.freed();
        assert_eq!(slot.close(generation), Closing::Gone);
        let again = slot.take().expect("vacant");
        assert!(!slot.made());
        assert_eq!(
            slot.close(generation),
            Closing::Gone,
            "an old handle frees nothing new"
        );
        assert!(!slot.pin(generation), "nor uses it");
        assert!(slot.pin(again));
    }

    #[test]
    fn who_lets_go_last_frees() {
        let (slot, generation) = live();
        assert!(slot.pin(generation) && slot.pin(generation));
        assert_eq!(slot.close(generation), Closing::Later);
        assert!(!slot.pin(generation), "closed to newcomers");
        assert!(!slot.unpin(true));
        assert!(slot.unpin(true), "the last one");
    }

    #[test]
    fn who_may_not_free_leaves_it_to_the_next() {
        let (slot, generation) = live();
        assert!(slot.pin(generation));
        assert_eq!(slot.close(generation), Closing::Later);
        assert!(!slot.unpin(false));
        assert!(slot.reclaim());
        assert!(!slot.reclaim(), "once");
        slot.freed();
        assert!(slot.is_vacant());
    }

    #[test]
    fn an_allocation_that_is_shut_while_it_is_made_is_freed_by_its_maker() {
        let slot = Ownership::default();
        let generation = slot.take().expect("vacant");
        assert!(!slot.shut());
        assert!(!slot.reclaim(), "its maker is not done");
        assert!(!slot.pin(generation));
        assert!(slot.made());
        slot.freed();
        assert!(slot.is_vacant());
    }

    #[test]
    fn a_retired_slot_is_not_used_again() {
        let (slot, generation) = live();
        assert_eq!(slot.close(generation), Closing::Free);
        slot.retire();
        assert!(slot.take().is_none());
        assert!(!slot.shut());
    }

    #[test]
    fn nobody_uses_what_is_free_and_it_is_freed_once() {
        const ROUNDS: u32 = 2_000;
        let (slot, inside, freed) = (Ownership::default(), AtomicU32::new(0), AtomicU32::new(0));
        let free = || {
            assert_eq!(inside.load(Ordering::SeqCst), 0, "in use while it is freed");
            freed.fetch_add(1, Ordering::SeqCst);
            slot.freed();
        };
        for _ in 0..ROUNDS {
            let generation = slot.take().expect("vacant");
            assert!(!slot.made());
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    if slot.pin(generation) {
                        inside.fetch_add(1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        if slot.unpin(true) {
                            free();
                        }
                    }
                });
                scope.spawn(|| {
                    if slot.close(generation) == Closing::Free {
                        free();
                    }
                });
            });
        }
        assert_eq!(freed.into_inner(), ROUNDS);
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Take,
        Made,
        Pin,
        Unpin(bool),
        Close,
        Shut,
        Reclaim,
    }

    fn steps() -> impl Strategy<Value = std::vec::Vec<Step>> {
        let step = prop_oneof![
            Just(Step::Take),
            Just(Step::Made),
            Just(Step::Pin),
            any::<bool>().prop_map(Step::Unpin),
            Just(Step::Close),
            Just(Step::Shut),
            Just(Step::Reclaim),
        ];
        proptest::collection::vec(step, 0..60)
    }

    proptest! {
        #[test]
        fn it_is_freed_exactly_when_it_is_closed_and_unused(steps in steps()) {
            let slot = Ownership::default();
            let (mut making, mut uses, mut exists, mut handle) = (false, 0_u32, false, None);
            for step in steps {
                let elected = match step {
                    Step::Take => {
                        let taken = slot.take();
                        prop_assert_eq!(taken.is_some(), !exists);
                        if let Some(generation) = taken {
                            handle = Some(generation);
                            making = true;
                            exists = true;
                        }
                        false
                    }
                    Step::Made if making => {
                        making = false;
                        slot.made()
                    }
                    Step::Pin => {
                        uses += u32::from(handle.is_some_and(|generation| slot.pin(generation)));
                        false
                    }
                    Step::Unpin(may_free) if uses > 0 => {
                        uses -= 1;
                        slot.unpin(may_free)
                    }
                    Step::Close => {
                        handle.map(|generation| slot.close(generation)) == Some(Closing::Free)
                    }
                    Step::Shut => slot.shut(),
                    Step::Reclaim => slot.reclaim(),
                    Step::Made | Step::Unpin(_) => false,
                };
                if elected {
                    prop_assert!(exists && uses == 0 && !making);
                    slot.freed();
                    exists = false;
                }
            }
            // Whatever happened, it can be brought to an end.
            if making && slot.made() {
                slot.freed();
            }
            for _ in 0..uses {
                if slot.unpin(true) {
                    slot.freed();
                }
            }
            if slot.shut() {
                slot.freed();
            }
            prop_assert!(slot.is_vacant());
        }
    }
}
