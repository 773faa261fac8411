//! The state of one framework-owned slot: a work item or a timer.
//!
//! A slot never depends on drop glue: what the miniport holds is an index with a generation, and every
//! transition is a compare-and-swap on one word. The transitions are pure (no DDI call, no payload), so that a
//! model checker sees all of them.
//!
//! # Invariants
//!
//! * *One publisher*: between [`Slot::begin_publish`] and [`Slot::publish`] exactly one caller owns the payload cell.
//! * *One taker*: after [`Slot::publish`] the payload belongs to whoever moves the slot out of `QUEUED`: the
//!   callback ([`Slot::begin_run`]) or the caller whose DDI call was refused ([`Slot::retract`]).
//! * *One freer*: [`Slot::close`], [`Slot::retract`] and [`Slot::end_run`] return [`Release::Free`] to exactly one
//!   caller a generation, and only when nothing is published, queued or running.
//! * *No resurrection*: after [`Slot::close`] no publication begins.
//! * *Stale handles are harmless*: an operation with an older generation changes nothing.

use core::sync::atomic::{AtomicU64, Ordering};

use zerocopy::FromZeros;

const LIVE: u64 = 1 << 0;
const PUBLISHING: u64 = 1 << 1;
const QUEUED: u64 = 1 << 2;
const CLOSING: u64 = 1 << 3;
const FREEING: u64 = 1 << 4;
const ALLOCATED: u64 = 1 << 5;
const RUNNING_ONE: u64 = 1 << 8;
const RUNNING_MASK: u64 = 0xFF << 8;
const GENERATION_SHIFT: u32 = 32;
const FLAGS_MASK: u64 = 0xFFFF_FFFF;

/// Which use of a slot a handle means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation(u32);

/// Why a slot took no publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The handle's slot was freed, or is being freed.
    Gone,
    /// Something is queued already.
    Busy,
}

/// What the caller of a transition has to do about the slot's DDI object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Release {
    /// Nothing: the object is in use, or somebody else frees it.
    Keep,
    /// Free the DDI object, then call [`Slot::freed`] (or [`Slot::free_refused`]).
    Free,
}

/// The word of state of one slot; all zeroes is a vacant slot.
#[derive(Debug, FromZeros)]
#[repr(transparent)]
pub struct Slot(AtomicU64);

impl Slot {
    /// A vacant slot.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    fn update(&self, mut next: impl FnMut(u64) -> Option<u64>) -> Result<u64, u64> {
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, &mut next)
    }

    fn generation_of(word: u64) -> Generation {
        Generation((word >> GENERATION_SHIFT) as u32)
    }

    /// Claims a vacant slot for a new DDI object; [`Slot::created`] or [`Slot::abandon`] follows.
    pub fn allocate(&self) -> Option<Generation> {
        self.update(|word| (word & FLAGS_MASK == 0).then_some(word | ALLOCATED))
            .ok()
            .map(Self::generation_of)
    }

    /// The DDI object exists: the slot can be used.
    pub fn created(&self) {
        let _ = self.update(|word| (word & FLAGS_MASK == ALLOCATED).then_some(word | LIVE));
    }

    /// The DDI object could not be made: the slot is vacant again.
    pub fn abandon(&self) {
        let _ = self.update(|word| (word & FLAGS_MASK == ALLOCATED).then(|| next_generation(word)));
    }

    /// Begins a publication: on success the caller owns the payload cell.
    ///
    /// # Errors
    /// [`Refused::Gone`] after the slot was closed or reused; [`Refused::Busy`] while something is queued.
    pub fn begin_publish(&self, generation: Generation) -> Result<(), Refused> {
        self.update(|word| {
            (admissible(word, generation) && word & (PUBLISHING | QUEUED) == 0).then_some(word | PUBLISHING)
        })
        .map(drop)
        .map_err(|word| {
            if admissible(word, generation) {
                Refused::Busy
            } else {
                Refused::Gone
            }
        })
    }

    /// Ends a publication: the payload is the taker's. The DDI call comes after this.
    pub fn publish(&self) {
        let _ = self.update(|word| (word & PUBLISHING != 0).then_some(word & !PUBLISHING | QUEUED));
    }

    /// The DDI refused: the caller takes the payload back, then calls [`Slot::retracted`].
    ///
    /// False if a callback ran all the same (then the payload is gone).
    pub fn retract(&self) -> bool {
        self.update(|word| (word & QUEUED != 0).then_some(word & !QUEUED | PUBLISHING))
            .is_ok()
    }

    /// The payload is out of the cell after [`Slot::retract`].
    pub fn retracted(&self) -> Release {
        self.settle(|word| (word & PUBLISHING != 0).then_some(word & !PUBLISHING))
    }

    /// The callback begins. True: something was queued; the callback owns the payload cell until
    /// [`Slot::payload_taken`]. False: a stray callback, nothing to run.
    pub fn begin_run(&self) -> bool {
        self.update(|word| {
            (word & QUEUED != 0 && word & RUNNING_MASK != RUNNING_MASK)
                .then_some((word & !QUEUED | PUBLISHING).wrapping_add(RUNNING_ONE))
        })
        .is_ok()
    }

    /// The callback has moved the payload out; the slot can be queued again.
    pub fn payload_taken(&self) {
        let _ = self.update(|word| Some(word & !PUBLISHING));
    }

    /// The callback ends.
    pub fn end_run(&self) -> Release {
        self.settle(|word| (word & RUNNING_MASK != 0).then_some(word.wrapping_sub(RUNNING_ONE)))
    }

    /// Closes the slot: nothing is queued any more.
    pub fn close(&self, generation: Generation) -> Release {
        self.settle(|word| admissible(word, generation).then_some(word | CLOSING))
    }

    /// Closes the slot whatever its generation: the adapter goes.
    pub fn close_any(&self) -> Release {
        self.settle(|word| (word & LIVE != 0 && word & FREEING == 0).then_some(word | CLOSING))
    }

    /// The DDI object is freed: the slot is vacant, and older handles mean nothing.
    pub fn freed(&self) {
        let _ = self.update(|word| (word & FREEING != 0).then(|| next_generation(word)));
    }

    /// The DDI would not free the object now: the next legal caller tries again.
    pub fn free_refused(&self) {
        let _ = self.update(|word| (word & FREEING != 0).then_some(word & !FREEING));
    }

    /// The present generation.
    #[must_use]
    pub fn generation(&self) -> Generation {
        Self::generation_of(self.0.load(Ordering::Acquire))
    }

    /// Nothing allocated.
    #[must_use]
    pub fn is_vacant(&self) -> bool {
        self.0.load(Ordering::Acquire) & FLAGS_MASK == 0
    }

    /// Queued, and no callback has begun since.
    #[must_use]
    pub fn is_queued(&self) -> bool {
        self.0.load(Ordering::Acquire) & QUEUED != 0
    }

    /// Applies `next`; if that leaves a closing slot with nothing outstanding, elects the caller as its freer.
    fn settle(&self, mut next: impl FnMut(u64) -> Option<u64>) -> Release {
        let mut release = Release::Keep;
        let _ = self
            .update(|word| {
                let word = next(word)?;
                if word & CLOSING != 0 && word & (PUBLISHING | QUEUED | FREEING | RUNNING_MASK) == 0 {
                    release = Release::Free;
                    Some(word | FREEING)
                } else {
                    release = Release::Keep;
                    Some(word)
                }
            })
            .inspect_err(|_| release = Release::Keep);
        release
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self::new()
    }
}

fn admissible(word: u64, generation: Generation) -> bool {
    word & LIVE != 0 && word & (CLOSING | FREEING) == 0 && Slot::generation_of(word) == generation
}

fn next_generation(word: u64) -> u64 {
    (word & !FLAGS_MASK).wrapping_add(1 << GENERATION_SHIFT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live() -> (Slot, Generation) {
        let slot = Slot::new();
        let generation = slot.allocate().unwrap();
        slot.created();
        (slot, generation)
    }

    #[test]
    fn a_queued_item_refuses_a_second_publication() {
        let (slot, generation) = live();
        slot.begin_publish(generation).unwrap();
        assert_eq!(slot.begin_publish(generation), Err(Refused::Busy));
        slot.publish();
        assert_eq!(slot.begin_publish(generation), Err(Refused::Busy));
        assert!(slot.begin_run());
        slot.payload_taken();
        assert_eq!(
            slot.begin_publish(generation),
            Ok(()),
            "queued is cleared before the callback's work"
        );
    }

    #[test]
    fn closing_while_running_leaves_the_free_to_the_tail_of_the_callback() {
        let (slot, generation) = live();
        slot.begin_publish(generation).unwrap();
        slot.publish();
        assert!(slot.begin_run());
        slot.payload_taken();
        assert_eq!(slot.close(generation), Release::Keep);
        assert_eq!(slot.begin_publish(generation), Err(Refused::Gone));
        assert_eq!(slot.end_run(), Release::Free);
        slot.freed();
        assert!(slot.is_vacant());
    }

    #[test]
    fn closing_while_queued_leaves_the_free_to_the_run() {
        let (slot, generation) = live();
        slot.begin_publish(generation).unwrap();
        slot.publish();
        assert_eq!(slot.close_any(), Release::Keep);
        assert!(slot.begin_run());
        slot.payload_taken();
        assert_eq!(slot.end_run(), Release::Free);
    }

    #[test]
    fn exactly_one_caller_frees() {
        let (slot, generation) = live();
        assert_eq!(slot.close(generation), Release::Free);
        assert_eq!(slot.close(generation), Release::Keep);
        assert_eq!(slot.close_any(), Release::Keep);
    }

    #[test]
    fn a_refused_free_can_be_tried_again() {
        let (slot, generation) = live();
        assert_eq!(slot.close(generation), Release::Free);
        slot.free_refused();
        assert_eq!(slot.close_any(), Release::Free);
        slot.freed();
        assert!(slot.is_vacant());
    }

    #[test]
    fn a_refused_call_gives_the_payload_back_and_frees_a_closing_slot() {
        let (slot, generation) = live();
        slot.begin_publish(generation).unwrap();
        slot.publish();
        assert_eq!(slot.close_any(), Release::Keep);
        assert!(slot.retract());
        assert_eq!(slot.retracted(), Release::Free);
    }

    #[test]
    fn an_older_generation_means_nothing() {
        let (slot, old) = live();
        assert_eq!(slot.close(old), Release::Free);
        slot.freed();
        let new = slot.allocate().unwrap();
        slot.created();
        assert_ne!(old, new);
        assert_eq!(slot.begin_publish(old), Err(Refused::Gone));
        assert_eq!(slot.close(old), Release::Keep);
        assert_eq!(slot.begin_publish(new), Ok(()));
    }

    #[test]
    fn two_runs_may_overlap_after_a_requeue() {
        let (slot, generation) = live();
        slot.begin_publish(generation).unwrap();
        slot.publish();
        assert!(slot.begin_run());
        slot.payload_taken();
        slot.begin_publish(generation).unwrap();
        slot.publish();
        assert!(slot.begin_run());
        slot.payload_taken();
        assert_eq!(slot.close(generation), Release::Keep);
        assert_eq!(slot.end_run(), Release::Keep);
        assert_eq!(slot.end_run(), Release::Free);
    }

    #[test]
    fn a_stray_callback_runs_nothing() {
        let (slot, _) = live();
        assert!(!slot.begin_run());
    }
}
