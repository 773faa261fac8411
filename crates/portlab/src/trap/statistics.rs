//! What the traps cost.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, Ordering},
};

/// Counts since the process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Register accesses that took a signal.
    pub traps: u64,
    /// Register accesses through patched sites.
    pub patched_accesses: u64,
    /// Sites patched into trampolines.
    pub patched_sites: u64,
    /// Sites that could not be patched and keep trapping.
    pub unpatchable_sites: u64,
    /// Accesses of patched sites to ordinary memory.
    pub plain_accesses: u64,
    /// Jumps into the inside of a patched jump, redirected by a breakpoint.
    pub interior_traps: u64,
    /// Register reads.
    pub reads: u64,
    /// Register writes.
    pub writes: u64,
}

/// One count of [`Statistics`].
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(super) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

pub(super) static TRAPS: Counter = Counter::new();
pub(super) static PATCHED_ACCESSES: Counter = Counter::new();
pub(super) static PATCHED_SITES: Counter = Counter::new();
pub(super) static UNPATCHABLE_SITES: Counter = Counter::new();
pub(super) static PLAIN_ACCESSES: Counter = Counter::new();
pub(super) static INTERIOR_TRAPS: Counter = Counter::new();
static READS: Counter = Counter::new();
static WRITES: Counter = Counter::new();

/// The counts so far, of the whole process.
#[must_use]
pub fn statistics() -> Statistics {
    Statistics {
        traps: TRAPS.value(),
        patched_accesses: PATCHED_ACCESSES.value(),
        patched_sites: PATCHED_SITES.value(),
        unpatchable_sites: UNPATCHABLE_SITES.value(),
        plain_accesses: PLAIN_ACCESSES.value(),
        interior_traps: INTERIOR_TRAPS.value(),
        reads: READS.value(),
        writes: WRITES.value(),
    }
}

/// Register accesses of one thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Accesses {
    /// Reads.
    pub reads: u64,
    /// Writes.
    pub writes: u64,
}

thread_local! {
    static ACCESSES: Cell<Accesses> = const { Cell::new(Accesses { reads: 0, writes: 0 }) };
}

/// Counts a register read.
pub(super) fn count_read() {
    READS.count();
    let mut accesses = ACCESSES.get();
    accesses.reads += 1;
    ACCESSES.set(accesses);
}

/// Counts a register write.
pub(super) fn count_write() {
    WRITES.count();
    let mut accesses = ACCESSES.get();
    accesses.writes += 1;
    ACCESSES.set(accesses);
}

/// The register accesses that the calling thread has made so far.
#[must_use]
pub fn accesses_of_this_thread() -> Accesses {
    ACCESSES.get()
}
