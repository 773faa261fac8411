//! The state of one framework-owned slot: a work item or a timer.
//!
//! A slot never depends on drop glue: what the miniport holds is an index with a generation, and every
//! transition is a compare-and-swap on one word. The transitions are pure (no DDI call, no payload), so that a
//! model checker sees all of them.
//!
//! The life of a publication: [`Slot::begin_publish`], the payload is written, [`Slot::publish`], the DDI call, then
//! [`Slot::called`] if the DDI took it, or [`Slot::retract`] and [`Slot::retracted`] if it refused. The callback does
//! [`Slot::begin_run`], reads the payload, [`Slot::payload_taken`], its work, [`Slot::end_run`].
//!
//! # Invariants
//!
//! * *One publisher*: between [`Slot::begin_publish`] and [`Slot::publish`] exactly one caller owns the payload cell.
//! * *One taker*: after [`Slot::publish`] the payload belongs to whoever moves the slot out of `QUEUED`: the
//!   callback ([`Slot::begin_run`]) or the caller whose DDI call was refused ([`Slot::retract`]).
//! * *One freer*: [`Release::Free`] goes to exactly one caller a generation, and only when nothing is published, queued
//!   or running and no caller is between [`Slot::begin_publish`] and the end of its DDI call: the DDI object exists as
//!   long as somebody may pass it to the DDI.
//! * *No resurrection*: after [`Slot::close`] no publication begins, and one that had begun is backed out before its
//!   DDI call ([`Slot::publish`] says so) or runs.
//! * *Shut is for ever*: after [`Slot::shut`] the slot is never allocated again, whatever state it was in, until
//!   [`Slot::reopen`]. Whoever was making its DDI object is told to free it ([`Slot::created`]).
//! * *Stale handles are harmless*: an operation with an older generation changes nothing.

use core::sync::atomic::{AtomicU64, Ordering};

use zerocopy::FromZeros;

const LIVE: u64 = 1 << 0;
const PUBLISHING: u64 = 1 << 1;
const QUEUED: u64 = 1 << 2;
const CLOSING: u64 = 1 << 3;
const FREEING: u64 = 1 << 4;
const ALLOCATED: u64 = 1 << 5;
const SHUT: u64 = 1 << 6;
const RETIRED: u64 = 1 << 7;
const RUNNING_ONE: u64 = 1 << 8;
const RUNNING_MASK: u64 = 0xFF << 8;
const CALLING_ONE: u64 = 1 << 16;
const CALLING_MASK: u64 = 0xFF << 16;
const GENERATION_SHIFT: u32 = 32;
const FLAGS_MASK: u64 = 0xFFFF_FFFF;

/// Somebody still needs the DDI object, or frees it already.
const OUTSTANDING: u64 = PUBLISHING | QUEUED | FREEING | RUNNING_MASK | CALLING_MASK;

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
    /// Free the DDI object, then call [`Slot::freed`] (or [`Slot::retire`]).
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

    /// The DDI object exists: the slot can be used, unless it was shut meanwhile: then its maker frees the object.
    pub fn created(&self) -> Release {
        self.settle(|word| (word & (ALLOCATED | LIVE) == ALLOCATED).then_some(word | LIVE))
    }

    /// The DDI object could not be made: the slot is vacant again.
    pub fn abandon(&self) {
        let _ = self.update(|word| (word & (ALLOCATED | LIVE) == ALLOCATED).then(|| vacated(word)));
    }

    /// Begins a publication: on success the caller owns the payload cell, and the DDI object exists until the caller's
    /// [`Slot::called`] or [`Slot::retracted`].
    ///
    /// # Errors
    /// [`Refused::Gone`] after the slot was closed or reused; [`Refused::Busy`] while something is queued, or if more
    /// runs or calls overlap than are counted.
    pub fn begin_publish(&self, generation: Generation) -> Result<(), Refused> {
        self.update(|word| {
            let room = word & (PUBLISHING | QUEUED) == 0
                && word & RUNNING_MASK != RUNNING_MASK
                && word & CALLING_MASK != CALLING_MASK;
            (admissible(word, generation) && room).then_some((word | PUBLISHING).wrapping_add(CALLING_ONE))
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

    /// Ends a publication: the payload is the taker's, and the DDI call comes after this.
    ///
    /// False if the slot was closed meanwhile: there is no DDI call, the payload is still the caller's, who takes it
    /// back and calls [`Slot::retracted`].
    #[must_use]
    pub fn publish(&self) -> bool {
        self.update(|word| {
            (word & PUBLISHING != 0 && word & CLOSING == 0).then_some(word & !PUBLISHING | QUEUED)
        })
        .is_ok()
    }

    /// The DDI call is over, and the DDI took the publication (or ran it).
    pub fn called(&self) -> Release {
        self.settle(|word| (word & CALLING_MASK != 0).then(|| word.wrapping_sub(CALLING_ONE)))
    }

    /// The DDI refused: the caller takes the payload back, then calls [`Slot::retracted`].
    ///
    /// False if a callback ran all the same: the payload is gone, and the caller calls [`Slot::called`].
    #[must_use]
    pub fn retract(&self) -> bool {
        self.update(|word| (word & QUEUED != 0).then_some(word & !QUEUED | PUBLISHING))
            .is_ok()
    }

    /// The payload is out of the cell after [`Slot::retract`], or after [`Slot::publish`] was refused; there is no DDI
    /// call under way any more.
    pub fn retracted(&self) -> Release {
        self.settle(|word| {
            (word & PUBLISHING != 0 && word & CALLING_MASK != 0)
                .then(|| (word & !PUBLISHING).wrapping_sub(CALLING_ONE))
        })
    }

    /// The callback begins. True: something was queued; the callback owns the payload cell until
    /// [`Slot::payload_taken`]. False: a stray callback, nothing to run.
    #[must_use]
    pub fn begin_run(&self) -> bool {
        // There is room to count: `begin_publish` saw it, and nobody else can begin to run what it published.
        self.update(|word| {
            (word & QUEUED != 0).then(|| (word & !QUEUED | PUBLISHING).wrapping_add(RUNNING_ONE))
        })
        .is_ok()
    }

    /// The callback has moved the payload out; the slot can be queued again.
    pub fn payload_taken(&self) {
        let _ = self.update(|word| Some(word & !PUBLISHING));
    }

    /// The callback ends.
    pub fn end_run(&self) -> Release {
        self.settle(|word| (word & RUNNING_MASK != 0).then(|| word.wrapping_sub(RUNNING_ONE)))
    }

    /// Closes the slot: nothing is queued any more.
    pub fn close(&self, generation: Generation) -> Release {
        self.settle(|word| admissible(word, generation).then_some(word | CLOSING))
    }

    /// Closes the slot whatever its state, and keeps it from being allocated again: the adapter goes.
    pub fn shut(&self) -> Release {
        self.settle(|word| {
            let closing = if word & ALLOCATED == 0 { 0 } else { CLOSING };
            Some(word | SHUT | closing)
        })
    }

    /// The DDI object is freed: the slot is vacant (unless it was shut), and older handles mean nothing.
    pub fn freed(&self) {
        let _ = self.update(|word| (word & FREEING != 0).then(|| vacated(word)));
    }

    /// The DDI would not free the object: it is given up, and the slot with it, so that a callback which comes after all
    /// never meets another use of the slot.
    pub fn retire(&self) {
        let _ = self.update(|word| (word & FREEING != 0).then(|| vacated(word) | RETIRED));
    }

    /// Makes the slot vacant again, whatever its state. For the sole owner of an adapter in which nothing is outstanding.
    pub fn reopen(&self) {
        let _ = self.update(|word| Some(vacated(word) & !SHUT));
    }

    /// The present generation.
    #[must_use]
    pub fn generation(&self) -> Generation {
        Self::generation_of(self.0.load(Ordering::Acquire))
    }

    /// Nothing allocated.
    #[must_use]
    pub fn is_vacant(&self) -> bool {
        self.0.load(Ordering::Acquire) & FLAGS_MASK & !SHUT == 0
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
                if word & (LIVE | CLOSING) == LIVE | CLOSING && word & OUTSTANDING == 0 {
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

/// The vacant slot of the next generation; a shut one stays shut.
fn vacated(word: u64) -> u64 {
    (word & !FLAGS_MASK).wrapping_add(1 << GENERATION_SHIFT) | word & SHUT
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live() -> (Slot, Generation) {
        let slot = Slot::new();
        let generation = slot.allocate().unwrap();
        assert_eq!(slot.created(), Release::Keep);
        (slot, generation)
    }

    /// Publishes, and the DDI takes it.
    fn queue(slot: &Slot, generation: Generation) {
        slot.begin_publish(generation).unwrap();
        assert!(slot.publish());
        assert_eq!(slot.called(), Release::Keep);
    }

    fn begin(slot: &Slot) {
        assert!(slot.begin_run());
        slot.payload_taken();
    }

    #[test]
    fn a_queued_item_refuses_a_second_publication() {
        let (slot, generation) = live();
        slot.begin_publish(generation).unwrap();
        assert_eq!(slot.begin_publish(generation), Err(Refused::Busy));
        assert!(slot.publish());
        assert_eq!(slot.begin_publish(generation), Err(Refused::Busy));
        assert_eq!(slot.called(), Release::Keep);
        begin(&slot);
        assert_eq!(
            slot.begin_publish(generation),
            Ok(()),
            "queued is cleared before the callback's work"
        );
    }

    #[test]
    fn the_callback_may_queue_itself_while_the_first_ddi_call_still_returns() {
        let (slot, generation) = live();
        slot.begin_publish(generation).unwrap();
        assert!(slot.publish());
        begin(&slot);
        queue(&slot, generation);
        assert_eq!(slot.called(), Release::Keep, "the first caller comes back late");
        assert!(slot.is_queued(), "and takes nothing from the second");
    }

    #[test]
    fn closing_while_running_leaves_the_free_to_the_tail_of_the_callback() {
        let (slot, generation) = live();
        queue(&slot, generation);
        begin(&slot);
        assert_eq!(slot.close(generation), Release::Keep);
        assert_eq!(slot.begin_publish(generation), Err(Refused::Gone));
        assert_eq!(slot.end_run(), Release::Free);
        slot.freed();
        assert!(slot.is_vacant());
    }

    #[test]
    fn closing_while_queued_leaves_the_free_to_the_run() {
        let (slot, generation) = live();
        queue(&slot, generation);
        assert_eq!(slot.shut(), Release::Keep);
        begin(&slot);
        assert_eq!(slot.end_run(), Release::Free);
    }

    #[test]
    fn nobody_frees_between_a_publication_and_the_end_of_its_ddi_call() {
        let (slot, generation) = live();
        slot.begin_publish(generation).unwrap();
        assert!(slot.publish());
        assert_eq!(slot.shut(), Release::Keep);
        begin(&slot);
        assert_eq!(
            slot.end_run(),
            Release::Keep,
            "the object is still in the DDI's hands"
        );
        assert_eq!(slot.called(), Release::Free);
    }

    #[test]
    fn a_publication_that_closing_overtook_is_backed_out_and_frees() {
        let (slot, generation) = live();
        slot.begin_publish(generation).unwrap();
        assert_eq!(slot.shut(), Release::Keep);
        assert!(!slot.publish());
        assert!(!slot.is_queued());
        assert_eq!(slot.retracted(), Release::Free);
        slot.freed();
        assert!(slot.is_vacant());
    }

    #[test]
    fn a_refused_call_gives_the_payload_back_and_frees_a_closing_slot() {
        let (slot, generation) = live();
        slot.begin_publish(generation).unwrap();
        assert!(slot.publish());
        assert_eq!(slot.shut(), Release::Keep);
        assert!(slot.retract());
        assert_eq!(slot.retracted(), Release::Free);
    }

    #[test]
    fn a_refused_call_that_ran_all_the_same_takes_nothing_back() {
        let (slot, generation) = live();
        slot.begin_publish(generation).unwrap();
        assert!(slot.publish());
        begin(&slot);
        assert!(!slot.retract());
        assert_eq!(slot.called(), Release::Keep);
        assert_eq!(slot.close(generation), Release::Keep);
        assert_eq!(slot.end_run(), Release::Free);
    }

    #[test]
    fn exactly_one_caller_frees() {
        let (slot, generation) = live();
        assert_eq!(slot.close(generation), Release::Free);
        assert_eq!(slot.close(generation), Release::Keep);
        assert_eq!(slot.shut(), Release::Keep);
    }

    #[test]
    fn what_is_made_while_the_adapter_goes_is_freed_by_its_maker() {
        let slot = Slot::new();
        let generation = slot.allocate().unwrap();
        assert_eq!(slot.shut(), Release::Keep, "there is no object to free yet");
        assert_eq!(slot.created(), Release::Free);
        assert_eq!(slot.begin_publish(generation), Err(Refused::Gone));
        slot.freed();
        assert!(slot.is_vacant());
    }

    #[test]
    fn a_shut_slot_is_not_allocated_again() {
        let vacant = Slot::new();
        assert_eq!(vacant.shut(), Release::Keep);
        assert_eq!(vacant.allocate(), None);

        let (used, _) = live();
        assert_eq!(used.shut(), Release::Free);
        used.freed();
        assert!(used.is_vacant());
        assert_eq!(used.allocate(), None);

        let unmade = Slot::new();
        let _ = unmade.allocate().unwrap();
        assert_eq!(unmade.shut(), Release::Keep);
        unmade.abandon();
        assert_eq!(unmade.allocate(), None);

        unmade.reopen();
        assert!(unmade.allocate().is_some());
    }

    #[test]
    fn a_retired_slot_serves_nobody() {
        let (slot, generation) = live();
        assert_eq!(slot.close(generation), Release::Free);
        slot.retire();
        assert_eq!(slot.allocate(), None);
        assert_eq!(slot.begin_publish(generation), Err(Refused::Gone));
        assert_eq!(slot.shut(), Release::Keep);
        assert!(!slot.begin_run());
    }

    #[test]
    fn an_older_generation_means_nothing() {
        let (slot, old) = live();
        assert_eq!(slot.close(old), Release::Free);
        slot.freed();
        let new = slot.allocate().unwrap();
        assert_eq!(slot.created(), Release::Keep);
        assert_ne!(old, new);
        assert_eq!(slot.begin_publish(old), Err(Refused::Gone));
        assert_eq!(slot.close(old), Release::Keep);
        assert_eq!(slot.begin_publish(new), Ok(()));
    }

    #[test]
    fn two_runs_may_overlap_after_a_requeue() {
        let (slot, generation) = live();
        queue(&slot, generation);
        begin(&slot);
        queue(&slot, generation);
        begin(&slot);
        assert_eq!(slot.close(generation), Release::Keep);
        assert_eq!(slot.end_run(), Release::Keep);
        assert_eq!(slot.end_run(), Release::Free);
    }

    #[test]
    fn more_runs_than_are_counted_are_refused_and_not_lost() {
        let (slot, generation) = live();
        for _ in 0..255 {
            queue(&slot, generation);
            begin(&slot);
        }
        assert_eq!(slot.begin_publish(generation), Err(Refused::Busy));
        assert_eq!(slot.end_run(), Release::Keep);
        queue(&slot, generation);
        begin(&slot);
        assert_eq!(slot.close(generation), Release::Keep);
        for _ in 0..254 {
            assert_eq!(slot.end_run(), Release::Keep);
        }
        assert_eq!(slot.end_run(), Release::Free);
    }

    /// Three callers, the port driver's thread and removal at once, against a DDI object that knows whether it exists.
    #[test]
    fn however_they_interleave_the_object_outlives_its_use_and_is_freed_once() {
        use core::sync::atomic::{AtomicBool, AtomicU32};

        struct Object {
            exists: AtomicBool,
            frees: AtomicU32,
            queued: AtomicU32,
            taken: AtomicU32,
            runs: AtomicU32,
        }
        impl Object {
            fn free(&self, slot: &Slot, release: Release) {
                if release == Release::Free {
                    assert!(self.exists.swap(false, Ordering::SeqCst), "freed once");
                    self.frees.fetch_add(1, Ordering::SeqCst);
                    slot.freed();
                }
            }

            /// The DDI: refuses now and then, as it does while the device is being removed.
            fn call(&self, refuse: bool) -> bool {
                assert!(self.exists.load(Ordering::SeqCst), "called while it exists");
                if !refuse {
                    self.queued.fetch_add(1, Ordering::SeqCst);
                }
                core::hint::spin_loop();
                assert!(
                    self.exists.load(Ordering::SeqCst),
                    "exists until the call is over"
                );
                !refuse
            }
        }

        for round in 0..2_000_u32 {
            let (slot, generation) = live();
            let object = Object {
                exists: AtomicBool::new(true),
                frees: AtomicU32::new(0),
                queued: AtomicU32::new(0),
                taken: AtomicU32::new(0),
                runs: AtomicU32::new(0),
            };
            let callers = AtomicU32::new(3);
            std::thread::scope(|scope| {
                for caller in 0..3 {
                    let (slot, object, callers) = (&slot, &object, &callers);
                    scope.spawn(move || {
                        for attempt in 0..8 {
                            if slot.begin_publish(generation).is_err() {
                                continue;
                            }
                            if !slot.publish() {
                                object.free(slot, slot.retracted());
                            } else if object.call((attempt + caller + round) % 5 == 0) {
                                object.taken.fetch_add(1, Ordering::SeqCst);
                                object.free(slot, slot.called());
                            } else {
                                assert!(slot.retract(), "nobody runs what was refused");
                                object.free(slot, slot.retracted());
                            }
                        }
                        callers.fetch_sub(1, Ordering::SeqCst);
                    });
                }
                scope.spawn(|| {
                    loop {
                        let last = callers.load(Ordering::SeqCst) == 0;
                        let pending = object.queued.swap(0, Ordering::SeqCst);
                        for _ in 0..pending {
                            assert!(slot.begin_run(), "each accepted call has its run");
                            slot.payload_taken();
                            assert!(object.exists.load(Ordering::SeqCst));
                            object.runs.fetch_add(1, Ordering::SeqCst);
                            object.free(&slot, slot.end_run());
                        }
                        if last && pending == 0 {
                            break;
                        }
                    }
                });
                scope.spawn(|| object.free(&slot, slot.shut()));
            });
            assert_eq!(object.frees.into_inner(), 1);
            assert_eq!(object.taken.into_inner(), object.runs.into_inner());
            assert!(slot.is_vacant());
            assert_eq!(slot.allocate(), None);
        }
    }

    #[test]
    fn a_stray_callback_runs_nothing() {
        let (slot, _) = live();
        assert!(!slot.begin_run());
    }
}
