//! The state of a work item.
//!
//! The life of a publication: [`WorkState::begin_publish`], the payload is written, [`WorkState::publish`], the DDI call,
//! then [`WorkState::called`] if the DDI took it, or [`WorkState::retract`] and [`WorkState::retracted`] if it refused.
//! The callback does [`WorkState::begin_run`], reads the payload, [`WorkState::payload_taken`], its work,
//! [`WorkState::end_run`].
//!
//! # Invariants
//!
//! * *One publisher*: between [`WorkState::begin_publish`] and [`WorkState::publish`] exactly one caller owns the payload
//!   cell.
//! * *One taker*: after [`WorkState::publish`] the payload belongs to whoever moves the slot out of `QUEUED`: the
//!   callback ([`WorkState::begin_run`]) or the caller whose DDI call was refused ([`WorkState::retract`]).
//! * *No resurrection*: after [`WorkState::close`] no publication begins, and one that had begun is backed out before its
//!   DDI call ([`WorkState::publish`] says so) or runs.

use core::ops::Deref;

#[cfg(not(loom))]
use zerocopy::FromZeros;

use super::{
    CALLING_MASK, CALLING_ONE, CLOSING, Generation, RUNNING_MASK, RUNNING_ONE, Refused, Release, Slot,
    admissible, shut,
};
use crate::sync::{Ordering, mutated, ordering};

/// Somebody owns the payload cell.
const PUBLISHING: u64 = 1 << 1;
const QUEUED: u64 = 1 << 2;

/// The word of state of a work item; all zeroes is vacant.
#[derive(Debug, Default)]
#[cfg_attr(not(loom), derive(FromZeros))]
#[repr(transparent)]
pub struct WorkState(Slot);

impl Deref for WorkState {
    type Target = Slot;

    fn deref(&self) -> &Slot {
        &self.0
    }
}

impl WorkState {
    /// Begins a publication: on success the caller owns the payload cell, and the DDI object exists until the caller's
    /// [`WorkState::called`] or [`WorkState::retracted`].
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
    /// back and calls [`WorkState::retracted`].
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

    /// The DDI refused: the caller takes the payload back, then calls [`WorkState::retracted`].
    ///
    /// False if a callback ran all the same: the payload is gone, and the caller calls [`WorkState::called`].
    #[must_use]
    pub fn retract(&self) -> bool {
        self.update(|word| (word & QUEUED != 0).then_some(word & !QUEUED | PUBLISHING))
            .is_ok()
    }

    /// The payload is out of the cell after [`WorkState::retract`], or after [`WorkState::publish`] was refused; there is
    /// no DDI call under way any more.
    pub fn retracted(&self) -> Release {
        self.settle(|word| {
            (word & PUBLISHING != 0 && word & CALLING_MASK != 0)
                .then(|| (word & !PUBLISHING).wrapping_sub(CALLING_ONE))
        })
    }

    /// The callback begins. True: something was queued; the callback owns the payload cell until
    /// [`WorkState::payload_taken`]. False: a stray callback, nothing to run.
    #[must_use]
    pub fn begin_run(&self) -> bool {
        let owner = if mutated("run-without-owning-the-payload") {
            0
        } else {
            PUBLISHING
        };
        // There is room to count: `begin_publish` saw it, and nobody else can begin to run what it published.
        self.update(|word| (word & QUEUED != 0).then(|| (word & !QUEUED | owner).wrapping_add(RUNNING_ONE)))
            .is_ok()
    }

    /// The callback has moved the payload out; the slot can be queued again.
    pub fn payload_taken(&self) {
        if !mutated("run-without-owning-the-payload") {
            let success = ordering(Ordering::AcqRel, "payload-taken-relaxed");
            let _ = self.update_with(success, |word| Some(word & !PUBLISHING));
        }
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
        self.settle(|word| Some(shut(word)))
    }

    /// Queued, and no callback has begun since.
    #[must_use]
    pub fn is_queued(&self) -> bool {
        self.load() & QUEUED != 0
    }

    /// As [`Slot::reclaim`].
    #[cfg(loom)]
    pub fn reclaim(&mut self) {
        self.0.reclaim();
    }
}

#[cfg(all(test, not(loom)))]
#[path = "work_state_tests.rs"]
mod tests;
