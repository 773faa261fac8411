//! What lets a routine run once at a time, and holds it off until the adapter is started.

use core::sync::atomic::{AtomicU32, Ordering};

use zerocopy::FromZeros;

const IDLE: u32 = 0;
const RUNNING: u32 = 1;
const AGAIN: u32 = 2;

/// One run at a time: whoever comes while a run is under way is refused, and the run is told at its end.
///
/// The page of `StorPortIssueDpc` says that a DPC routine "is always synchronized with itself"; yet it gives as the
/// reason only that a DPC is not queued twice, and a KDPC leaves its queue before its routine runs. State that belongs
/// to a DPC object does not depend on it. All zeroes is idle.
#[derive(Debug, Default, FromZeros)]
#[repr(transparent)]
pub struct Serial(AtomicU32);

impl Serial {
    /// A run begins. False if one is under way: that one is told to come again.
    #[must_use]
    pub fn begin(&self) -> bool {
        let before = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
            Some(if state == IDLE { RUNNING } else { AGAIN })
        });
        before == Ok(IDLE)
    }

    /// The run ends. True if somebody was refused meanwhile: the routine is to be issued again.
    #[must_use]
    pub fn end(&self) -> bool {
        self.0.swap(IDLE, Ordering::AcqRel) == AGAIN
    }
}

const OPEN: u32 = 1;
const WANTED: u32 = 2;

/// A gate that is shut at first: whoever comes to a shut gate leaves a note for whoever opens it.
#[derive(Debug, Default, FromZeros)]
#[repr(transparent)]
pub struct Gate(AtomicU32);

impl Gate {
    /// Whether it is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.load(Ordering::Acquire) & OPEN != 0
    }

    /// True if the gate is open; otherwise whoever opens it will know that somebody came.
    #[must_use]
    pub fn pass_or_note(&self) -> bool {
        self.is_open() || self.0.fetch_or(WANTED, Ordering::AcqRel) & OPEN != 0
    }

    /// Opens the gate. True if somebody came before.
    pub fn open(&self) -> bool {
        self.0.swap(OPEN, Ordering::AcqRel) & WANTED != 0
    }

    /// Shuts the gate, and forgets who came.
    pub fn shut(&self) {
        self.0.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_is_refused_and_the_first_is_told() {
        let serial = Serial::default();
        assert!(serial.begin());
        assert!(!serial.begin());
        assert!(!serial.begin());
        assert!(serial.end(), "issue again, once");
        assert!(serial.begin());
        assert!(!serial.end());
    }

    #[test]
    fn runs_never_overlap_and_none_is_lost() {
        use core::sync::atomic::AtomicU64;
        const ISSUES: u64 = 20_000;
        let (serial, inside, wanted, served) = (
            Serial::default(),
            AtomicU32::new(0),
            AtomicU64::new(0),
            AtomicU64::new(0),
        );
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..ISSUES {
                        wanted.fetch_add(1, Ordering::Relaxed);
                        while serial.begin() {
                            assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0);
                            served.store(wanted.load(Ordering::Relaxed), Ordering::Relaxed);
                            inside.fetch_sub(1, Ordering::Relaxed);
                            if !serial.end() {
                                break;
                            }
                        }
                    }
                });
            }
        });
        assert_eq!(
            served.into_inner(),
            2 * ISSUES,
            "what came during a run is seen by the next"
        );
    }

    #[test]
    fn who_comes_to_a_shut_gate_is_known_when_it_opens() {
        let gate = Gate::default();
        assert!(!gate.pass_or_note());
        assert!(gate.open());
        assert!(gate.pass_or_note());
        gate.shut();
        assert!(!gate.is_open());
        assert!(!gate.open(), "nobody came since");
    }
}
