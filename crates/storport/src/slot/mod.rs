//! Framework-owned slots for what outlives the call that started it: work items, timers, DPCs.
//!
//! A slot never depends on drop glue: what the miniport holds is an index with a generation, and every transition is
//! a compare-and-swap on one word. Two layers, both free of FFI, so that a model checker sees all of it:
//!
//! | module | idea |
//! | --- | --- |
//! | this one | the life of a slot: who makes its DDI object, who frees it |
//! | [`work_state`], [`timer_state`], [`dpc_state`] | the words of state, without DDI calls and payloads |
//! | [`work_slot`], [`timer_slot`], [`dpc_slot`] | what each call does, in order, generic over the DDI |
//!
//! # Invariants
//!
//! * *One freer*: [`Release::Free`] goes to exactly one caller a generation, and only when nothing is published, queued,
//!   armed or running and no caller is in a DDI call: the DDI object exists as long as somebody may pass it to the DDI.
//! * *Shut is for ever*: after `shut` the slot is never allocated again, whatever state it was in, until
//!   [`Slot::reopen`]. Whoever was making its DDI object is told to free it ([`Slot::created`]).
//! * *Stale handles are harmless*: an operation with an older generation changes nothing.

pub mod dpc_slot;
pub mod dpc_state;
pub mod timer_slot;
pub mod timer_state;
pub mod work_slot;
pub mod work_state;

#[cfg(not(loom))]
use zerocopy::FromZeros;

use crate::sync::{AtomicU64, Ordering, mutated};

/// The DDI object exists.
const LIVE: u64 = 1 << 0;
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

/// Bits that each kind of slot names for itself; while one is set, somebody needs the DDI object.
const KIND_MASK: u64 = 0b110;

/// Somebody still needs the DDI object, or frees it already.
const OUTSTANDING: u64 = KIND_MASK | FREEING | RUNNING_MASK | CALLING_MASK;

/// Which use of a slot a handle means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation(u32);

/// Why a slot took nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The handle's slot was freed, or is being freed.
    Gone,
    /// Something is queued or armed already.
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

/// Whether the caller shall drop the rundown reference that its slot had. It is the last thing done for the slot: the
/// memory may be gone after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Reference {
    /// The slot keeps it.
    Keep,
    /// Drop it.
    Drop,
}

/// The word of state of one slot; all zeroes is a vacant slot.
#[derive(Debug, Default)]
#[cfg_attr(not(loom), derive(FromZeros))]
#[repr(transparent)]
pub struct Slot(AtomicU64);

impl Slot {
    fn load(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    fn update(&self, next: impl FnMut(u64) -> Option<u64>) -> Result<u64, u64> {
        self.update_with(Ordering::AcqRel, next)
    }

    fn update_with(&self, success: Ordering, next: impl FnMut(u64) -> Option<u64>) -> Result<u64, u64> {
        let failure = if success == Ordering::Relaxed {
            Ordering::Relaxed
        } else {
            Ordering::Acquire
        };
        self.0.fetch_update(success, failure, next)
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

    /// The DDI object is freed: the slot is vacant (unless it was shut), and older handles mean nothing.
    pub fn freed(&self) {
        let _ = self.update(|word| (word & FREEING != 0).then(|| vacated(word)));
    }

    /// The DDI would not free the object: it is given up, and the slot with it, so that a callback which comes after all
    /// never meets another use of the slot.
    pub fn retire(&self) {
        let _ = self.update(|word| (word & FREEING != 0).then(|| vacated(word) | RETIRED));
    }

    /// The elected freer cannot free where it is: whoever settles the slot next does, at the latest the adapter's
    /// removal. False if that has been already.
    #[must_use]
    pub fn defer(&self) -> bool {
        self.update(|word| (word & FREEING != 0 && word & SHUT == 0).then_some(word & !FREEING))
            .is_ok()
    }

    /// Makes the slot vacant again, whatever its state. For the sole owner of an adapter in which nothing is outstanding.
    pub fn reopen(&self) {
        let _ = self.update(|word| Some(vacated(word) & !SHUT));
    }

    /// The present generation.
    #[must_use]
    pub fn generation(&self) -> Generation {
        Self::generation_of(self.load())
    }

    /// Nothing allocated.
    #[must_use]
    pub fn is_vacant(&self) -> bool {
        self.load() & FLAGS_MASK & !SHUT == 0
    }

    /// Applies `next`; if that leaves a closing slot with nothing outstanding, elects the caller as its freer.
    fn settle(&self, mut next: impl FnMut(u64) -> Option<u64>) -> Release {
        let mut release = Release::Keep;
        let _ = self
            .update(|word| {
                let word = next(word)?;
                if closes(word) {
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

    /// Loom checks that nobody uses the word at the same time or later without being ordered after this.
    #[cfg(loom)]
    pub fn reclaim(&mut self) {
        self.0.with_mut(|_| ());
    }
}

/// A closing slot whose object nobody needs any more.
fn closes(word: u64) -> bool {
    let mut outstanding = OUTSTANDING;
    if mutated("free-during-a-call") {
        outstanding &= !CALLING_MASK;
    }
    if mutated("free-under-a-run") {
        outstanding &= !RUNNING_MASK;
    }
    word & (LIVE | CLOSING) == LIVE | CLOSING && word & outstanding == 0
}

fn admissible(word: u64, generation: Generation) -> bool {
    word & LIVE != 0 && word & (CLOSING | FREEING) == 0 && Slot::generation_of(word) == generation
}

/// The vacant slot of the next generation; a shut one stays shut.
fn vacated(word: u64) -> u64 {
    (word & !FLAGS_MASK).wrapping_add(1 << GENERATION_SHIFT) | word & SHUT
}

/// What every kind of slot does about closing, with the bits that it adds.
fn shut(word: u64) -> u64 {
    let closing = if word & ALLOCATED == 0 { 0 } else { CLOSING };
    word | SHUT | closing
}
