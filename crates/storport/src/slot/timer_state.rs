//! The state of a timer.
//!
//! A request: [`TimerState::begin_request`], the DDI call, then [`TimerState::accepted`] or [`TimerState::refused`].
//! The routine does [`TimerState::begin_run`], its work, [`TimerState::end_run`]. A cancel takes effect in one
//! transition, [`TimerState::cancel`]; the DDI's cancel comes after it, by whoever is told [`Duty::Cancel`], and ends
//! with [`TimerState::cancelled`].
//!
//! # Invariants
//!
//! * *One run a request*: `ARMED` is taken by the routine of that very request ([`Request`]), by a cancel, or by the
//!   refusal, and by one of them only. Whatever the port driver calls late finds another request or none.
//! * *Cancels do not meet requests*: a DDI cancel is made when no request call is under way, and no request begins until
//!   it is over: it cannot hit a request that was accepted after the cancel.
//! * *Cancelled before freed*: a timer that closes while armed is cancelled first, by the same caller.

use core::ops::Deref;

#[cfg(not(loom))]
use zerocopy::FromZeros;

use super::{
    CALLING_MASK, CALLING_ONE, CLOSING, FREEING, Generation, RUNNING_MASK, RUNNING_ONE, Refused, Release,
    Slot, admissible, closes, shut,
};
use crate::sync::mutated;

/// A request is accepted, or being made, and its routine is wanted.
const ARMED: u64 = 1 << 1;
/// A DDI cancel is owed or under way.
const CANCELLING: u64 = 1 << 2;
const REQUEST_SHIFT: u32 = 24;
const REQUEST_ONE: u64 = 1 << REQUEST_SHIFT;
const REQUEST_MASK: u64 = 0xFF << REQUEST_SHIFT;
/// Generation and request, which together tell one request from another.
const IDENTITY_MASK: u64 = !(REQUEST_ONE - 1);

/// Identifies a request: what its routine is given. Generation and number; the low 24 bits are free for an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request(u64);

/// How many slots the number of a request leaves room to name.
pub const MAX_SLOTS: u64 = REQUEST_ONE;

impl Request {
    /// With the slot's index, as one number.
    #[must_use]
    pub fn with_index(self, index: u32) -> u64 {
        self.0 | u64::from(index) & (MAX_SLOTS - 1)
    }

    /// What [`Request::with_index`] made.
    #[must_use]
    pub fn and_index(context: u64) -> (Self, u32) {
        (Self(context & IDENTITY_MASK), (context & (MAX_SLOTS - 1)) as u32)
    }
}

/// What the caller of a transition has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Duty {
    /// Nothing.
    Nothing,
    /// The DDI's cancel, then [`TimerState::cancelled`].
    Cancel,
    /// Free the DDI object, then [`Slot::freed`], [`Slot::retire`] or [`Slot::defer`].
    Free,
}

impl From<Release> for Duty {
    fn from(release: Release) -> Self {
        match release {
            Release::Keep => Self::Nothing,
            Release::Free => Self::Free,
        }
    }
}

/// The word of state of a timer; all zeroes is vacant.
#[derive(Debug, Default)]
#[cfg_attr(not(loom), derive(FromZeros))]
#[repr(transparent)]
pub struct TimerState(Slot);

impl Deref for TimerState {
    type Target = Slot;

    fn deref(&self) -> &Slot {
        &self.0
    }
}

impl TimerState {
    /// Begins a request; the DDI call follows.
    ///
    /// # Errors
    /// [`Refused::Gone`] after the slot was closed or reused; [`Refused::Busy`] while a request is armed, or a DDI cancel
    /// is owed or under way, or if more runs or calls overlap than are counted.
    pub fn begin_request(&self, generation: Generation) -> Result<Request, Refused> {
        let next = |word: u64| {
            let number = word.wrapping_add(REQUEST_ONE) & REQUEST_MASK;
            (word & !REQUEST_MASK | number | ARMED).wrapping_add(CALLING_ONE)
        };
        let busy = if mutated("request-during-a-cancel") {
            ARMED
        } else {
            ARMED | CANCELLING
        };
        self.update(|word| {
            let room = word & busy == 0
                && word & RUNNING_MASK != RUNNING_MASK
                && word & CALLING_MASK != CALLING_MASK;
            (admissible(word, generation) && room).then(|| next(word))
        })
        .map(|word| Request(next(word) & IDENTITY_MASK))
        .map_err(|word| {
            if admissible(word, generation) {
                Refused::Busy
            } else {
                Refused::Gone
            }
        })
    }

    /// The DDI call is over, and the DDI took the request (or called its routine).
    pub fn accepted(&self) -> Duty {
        self.end_call(|word| Some(word.wrapping_sub(CALLING_ONE)))
    }

    /// The DDI refused `request`. True if that is the request's end; false if its routine was called all the same, or it
    /// was cancelled meanwhile.
    pub fn refused(&self, request: Request) -> (bool, Duty) {
        let mut ours = false;
        let duty = self.end_call(|word| {
            ours = is_armed(word, request);
            let word = if ours { word & !ARMED } else { word };
            Some(word.wrapping_sub(CALLING_ONE))
        });
        (ours, duty)
    }

    /// The routine of `request` begins. False: that request was cancelled, or was another one's; nothing to run.
    #[must_use]
    pub fn begin_run(&self, request: Request) -> bool {
        self.update(|word| {
            let ours = is_armed(word, request) || mutated("any-request-runs") && word & ARMED != 0;
            ours.then(|| (word & !ARMED).wrapping_add(RUNNING_ONE))
        })
        .is_ok()
    }

    /// The routine ends.
    pub fn end_run(&self) -> Duty {
        self.settle(|word| (word & RUNNING_MASK != 0).then(|| word.wrapping_sub(RUNNING_ONE)))
            .into()
    }

    /// Elects the caller as the freer of a closed slot that nobody could free where it fell due.
    pub fn collect(&self) -> Duty {
        self.settle(Some).into()
    }

    /// The request that was made last.
    #[cfg(test)]
    pub(super) fn latest(&self) -> Request {
        Request(self.load() & IDENTITY_MASK)
    }

    /// Cancels what is armed. `None`: nothing is.
    pub fn cancel(&self, generation: Generation) -> Option<Duty> {
        let mut cancelled = false;
        let duty = self.end_call(|word| {
            cancelled = admissible(word, generation) && word & ARMED != 0;
            cancelled.then_some(word & !ARMED | CANCELLING)
        });
        cancelled.then_some(duty)
    }

    /// The DDI's cancel is over.
    pub fn cancelled(&self) -> Duty {
        self.settle(|word| Some(word & !CANCELLING)).into()
    }

    /// Closes the slot: what is armed is cancelled, nothing is requested any more.
    pub fn close(&self, generation: Generation) -> Duty {
        self.end_call(|word| admissible(word, generation).then(|| disarmed(word) | CLOSING))
    }

    /// Closes the slot whatever its state, and keeps it from being allocated again: the adapter goes.
    pub fn shut(&self) -> Duty {
        self.end_call(|word| Some(shut(disarmed(word))))
    }

    /// Armed, and its routine has not begun.
    #[must_use]
    pub fn is_armed(&self) -> bool {
        self.load() & ARMED != 0
    }

    /// Applies `next`. A DDI cancel that is newly owed, or was owed while a request call was under way, is the caller's
    /// if no request call is left.
    fn end_call(&self, mut next: impl FnMut(u64) -> Option<u64>) -> Duty {
        let mut duty = Duty::Nothing;
        let _ = self
            .update(|before| {
                duty = Duty::Nothing;
                let word = next(before)?;
                let is_owed = |word: u64| {
                    word & CANCELLING != 0 && (word & CALLING_MASK == 0 || mutated("cancel-during-a-request"))
                };
                // Whoever ends the last call, or cancels with no call under way, makes it so.
                if is_owed(word) && !is_owed(before) {
                    duty = Duty::Cancel;
                    return Some(word);
                }
                if closes(word) {
                    duty = Duty::Free;
                    return Some(word | FREEING);
                }
                Some(word)
            })
            .inspect_err(|_| duty = Duty::Nothing);
        duty
    }

    /// As [`Slot::reclaim`].
    #[cfg(loom)]
    pub fn reclaim(&mut self) {
        self.0.reclaim();
    }
}

fn is_armed(word: u64, request: Request) -> bool {
    word & ARMED != 0 && word & IDENTITY_MASK == request.0
}

fn disarmed(word: u64) -> u64 {
    if word & ARMED == 0 {
        word
    } else if mutated("close-without-cancel") {
        word & !ARMED
    } else {
        word & !ARMED | CANCELLING
    }
}

#[cfg(all(test, not(loom)))]
#[path = "timer_state_tests.rs"]
mod tests;
