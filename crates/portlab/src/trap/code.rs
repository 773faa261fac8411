//! Which addresses are a driver's code, for a signal handler to ask: no lock is taken.

use std::{
    ops::Range,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// Code sections known at a time.
const PLACES: usize = 256;

struct Place {
    start: AtomicU64,
    /// Zero when the place is free; stored last, cleared first.
    end: AtomicU64,
}

static TABLE: [Place; PLACES] = [const {
    Place {
        start: AtomicU64::new(0),
        end: AtomicU64::new(0),
    }
}; PLACES];
static CHANGE: Mutex<()> = Mutex::new(());

/// Notes a range of code. Beyond the number of places it is not noted: its instructions are not counted then.
pub(super) fn enter(range: &Range<u64>) {
    let guard = CHANGE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(place) = TABLE.iter().find(|place| place.end.load(Ordering::Relaxed) == 0) {
        place.start.store(range.start, Ordering::Release);
        place.end.store(range.end, Ordering::Release);
    }
    drop(guard);
}

/// Forgets the ranges that lie in `range`.
pub(super) fn leave(range: &Range<u64>) {
    let guard = CHANGE.lock().unwrap_or_else(PoisonError::into_inner);
    for place in &TABLE {
        let end = place.end.load(Ordering::Relaxed);
        if end != 0 && range.contains(&place.start.load(Ordering::Relaxed)) && end <= range.end {
            place.end.store(0, Ordering::Release);
        }
    }
    drop(guard);
}

/// Whether an address is a driver's code.
pub(super) fn contains(address: u64) -> bool {
    TABLE.iter().any(|place| {
        let end = place.end.load(Ordering::Acquire);
        end != 0 && address < end && address >= place.start.load(Ordering::Acquire)
    })
}
