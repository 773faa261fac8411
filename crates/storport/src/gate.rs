//! What holds a routine off until the adapter is started.

#[cfg(not(loom))]
use zerocopy::FromZeros;

use crate::sync::{AtomicU32, Ordering, mutated};

const OPEN: u32 = 1;
const WANTED: u32 = 2;

/// A gate that is shut at first: whoever comes to a shut gate leaves a note for whoever opens it.
#[derive(Debug, Default)]
#[cfg_attr(not(loom), derive(FromZeros))]
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
        let looked = self.is_open();
        if mutated("note-without-looking-again") && !looked {
            self.0.fetch_or(WANTED, Ordering::AcqRel);
            return false;
        }
        looked || self.0.fetch_or(WANTED, Ordering::AcqRel) & OPEN != 0
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

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
