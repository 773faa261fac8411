//! The state of a DPC: issued, running, issued again.
//!
//! A DPC that is queued ignores another request, arguments included (page of `StorPortIssueDpc`). So none has arguments
//! here but its index, and the word remembers what the DDI would drop: who issues a DPC that is queued, or runs, calls no
//! DDI; a routine that ends with a note in its word is issued once more. Each queued or running DPC has a rundown
//! reference: its object lies in the device extension, which the removal SRB keeps until then.
//!
//! # Invariants
//!
//! * *One run at a time*: a routine runs between [`DpcState::begin`] and [`DpcState::end`], one for each DPC. The page
//!   promises it too, yet gives as the reason only that a DPC is not queued twice; a KDPC leaves its queue before its
//!   routine runs. State that belongs to a DPC does not depend on it.
//! * *No issue is lost*: after [`DpcState::issue`] a run begins, and sees what was written before the issue.
//! * *The DDI never refuses*: it is called by whoever moved the word to `QUEUED`, and a DPC leaves that before its
//!   routine's work. Should it refuse all the same, the issue is withdrawn, and the caller told.

#[cfg(not(loom))]
use zerocopy::FromZeros;

use crate::sync::{AtomicU32, Ordering, mutated, ordering};

const IDLE: u32 = 0;
const QUEUED: u32 = 1;
const RUNNING: u32 = 2;
const AGAIN: u32 = 3;

/// What an issue leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Issue {
    /// Take a rundown reference for it and call the DDI, or withdraw.
    Call,
    /// A run follows already.
    Coming,
}

/// What a call of the routine leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Begin {
    /// Run, with the rundown reference of the issue; [`DpcState::end`] follows.
    Run,
    /// Nobody issued it, or that was withdrawn: run if there is a rundown reference to be had; [`DpcState::end`] follows.
    Stray,
    /// It runs already, and will run again.
    Overlap,
}

/// The word of state of a DPC; all zeroes is idle.
#[derive(Debug, Default)]
#[cfg_attr(not(loom), derive(FromZeros))]
#[repr(transparent)]
pub struct DpcState(AtomicU32);

impl DpcState {
    fn update(&self, success: Ordering, next: impl FnMut(u32) -> Option<u32>) -> Result<u32, u32> {
        let failure = if success == Ordering::Relaxed {
            Ordering::Relaxed
        } else {
            Ordering::Acquire
        };
        self.0.fetch_update(success, failure, next)
    }

    /// The usual step, in one exchange.
    #[inline]
    fn step(&self, from: u32, to: u32, success: Ordering) -> bool {
        let failure = Ordering::Relaxed;
        self.0.compare_exchange(from, to, success, failure).is_ok()
    }

    /// The routine shall run after this.
    #[inline]
    pub fn issue(&self) -> Issue {
        let success = ordering(Ordering::AcqRel, "issue-relaxed");
        if self.step(IDLE, QUEUED, success) {
            return Issue::Call;
        }
        self.issue_again(success)
    }

    /// It is queued or runs, or just ceases to.
    #[cold]
    #[inline(never)]
    fn issue_again(&self, success: Ordering) -> Issue {
        // Also who changes nothing writes, so that the run that comes sees what was written before.
        let before = self.update(success, |state| {
            Some(match state {
                IDLE => QUEUED,
                RUNNING if mutated("issue-during-a-run-is-dropped") => RUNNING,
                RUNNING => AGAIN,
                other => other,
            })
        });
        if before == Ok(IDLE) {
            Issue::Call
        } else {
            Issue::Coming
        }
    }

    /// The DDI was not called, or refused. False if the routine has begun all the same: then the issue counts.
    #[must_use]
    pub fn withdraw(&self) -> bool {
        self.update(Ordering::AcqRel, |state| (state == QUEUED).then_some(IDLE))
            .is_ok()
    }

    /// The routine is called.
    #[inline]
    pub fn begin(&self) -> Begin {
        if self.step(QUEUED, RUNNING, Ordering::AcqRel) {
            return Begin::Run;
        }
        self.begin_otherwise()
    }

    /// Nobody issued it, or it runs.
    #[cold]
    #[inline(never)]
    fn begin_otherwise(&self) -> Begin {
        let before = self.update(Ordering::AcqRel, |state| {
            Some(match state {
                IDLE | QUEUED => RUNNING,
                _ => AGAIN,
            })
        });
        match before {
            Ok(QUEUED) => Begin::Run,
            Ok(IDLE) => Begin::Stray,
            _ => Begin::Overlap,
        }
    }

    /// The routine ends. True: it is queued again, and the caller, who keeps its rundown reference for that, calls the
    /// DDI (or withdraws). False: it is idle.
    #[must_use]
    #[inline]
    pub fn end(&self) -> bool {
        !self.step(RUNNING, IDLE, Ordering::AcqRel) && self.end_otherwise()
    }

    /// It was issued meanwhile.
    #[cold]
    #[inline(never)]
    fn end_otherwise(&self) -> bool {
        let before = self.update(Ordering::AcqRel, |state| {
            Some(if state == AGAIN { QUEUED } else { IDLE })
        });
        before == Ok(AGAIN)
    }

    /// As [`super::Slot::reclaim`].
    #[cfg(loom)]
    pub fn reclaim(&mut self) {
        self.0.with_mut(|_| ());
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_queued_dpc_is_not_issued_twice() {
        let dpc = DpcState::default();
        assert_eq!(dpc.issue(), Issue::Call);
        assert_eq!(dpc.issue(), Issue::Coming);
        assert_eq!(dpc.begin(), Begin::Run);
        assert!(!dpc.end());
        assert_eq!(dpc.issue(), Issue::Call);
    }

    #[test]
    fn a_run_that_was_issued_meanwhile_is_queued_again_once() {
        let dpc = DpcState::default();
        assert_eq!(dpc.issue(), Issue::Call);
        assert_eq!(dpc.begin(), Begin::Run);
        assert_eq!(dpc.issue(), Issue::Coming);
        assert_eq!(dpc.issue(), Issue::Coming);
        assert!(dpc.end());
        assert_eq!(dpc.issue(), Issue::Coming, "it is queued");
        assert_eq!(dpc.begin(), Begin::Run);
        assert!(!dpc.end());
    }

    #[test]
    fn a_call_during_a_run_is_refused_and_makes_it_run_again() {
        let dpc = DpcState::default();
        assert_eq!(dpc.begin(), Begin::Stray);
        assert_eq!(dpc.begin(), Begin::Overlap);
        assert!(dpc.end());
    }

    #[test]
    fn an_issue_that_the_ddi_refused_is_withdrawn_unless_it_ran() {
        let dpc = DpcState::default();
        assert_eq!(dpc.issue(), Issue::Call);
        assert!(dpc.withdraw());
        assert_eq!(dpc.issue(), Issue::Call);
        assert_eq!(dpc.begin(), Begin::Run);
        assert!(!dpc.withdraw());
        assert!(!dpc.end());
    }
}
