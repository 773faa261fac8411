//! Which pages of the device-visible region are free.

use std::collections::BTreeMap;

/// What a run of pages must satisfy; addresses are the device's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Constraint {
    /// Alignment in bytes, a power of two.
    pub(super) alignment: u64,
    /// Lowest acceptable address.
    pub(super) lowest: u64,
    /// Highest acceptable address, inclusive.
    pub(super) highest: u64,
    /// The run must not cross a multiple of this; zero for none.
    pub(super) boundary: u64,
}

impl Constraint {
    /// None but the page.
    pub(super) const fn none() -> Self {
        Self {
            alignment: 1,
            lowest: 0,
            highest: u64::MAX,
            boundary: 0,
        }
    }

    /// The lowest address from `start` on where `length` bytes satisfy everything but `highest`.
    fn fit(&self, start: u64, length: u64) -> Option<u64> {
        let mut start = start.max(self.lowest).checked_next_multiple_of(self.alignment)?;
        if self.boundary != 0 {
            if length > self.boundary {
                return None;
            }
            let next = start.checked_add(1)?.checked_next_multiple_of(self.boundary)?;
            if start.checked_add(length)? > next {
                start = next.checked_next_multiple_of(self.alignment)?;
            }
        }
        (start.checked_add(length)?.checked_sub(1)? <= self.highest).then_some(start)
    }
}

/// Free runs of device-visible bytes, by address; all multiples of the page.
#[derive(Debug)]
pub(super) struct Extents {
    free: BTreeMap<u64, u64>,
    available: u64,
}

impl Extents {
    pub(super) fn new(start: u64, length: u64) -> Self {
        Self {
            free: BTreeMap::from([(start, length)]),
            available: length,
        }
    }

    /// Bytes free.
    pub(super) const fn available(&self) -> u64 {
        self.available
    }

    /// Takes the first run from `from` on that satisfies the constraint.
    pub(super) fn take(&mut self, from: u64, length: u64, constraint: &Constraint) -> Option<u64> {
        // The run that holds `from` begins before it.
        let first = self
            .free
            .range(..=from)
            .next_back()
            .map_or(from, |(start, _)| *start);
        let (run, run_length, start) = self.free.range(first..).find_map(|(&run, &run_length)| {
            let start = constraint.fit(run.max(from), length)?;
            (start >= run && start + length <= run + run_length).then_some((run, run_length, start))
        })?;
        self.free.remove(&run);
        if start > run {
            self.free.insert(run, start - run);
        }
        let (end, run_end) = (start + length, run + run_length);
        if run_end > end {
            self.free.insert(end, run_end - end);
        }
        self.available -= length;
        Some(start)
    }

    /// Gives a run back.
    pub(super) fn give(&mut self, start: u64, length: u64) {
        let mut run = (start, length);
        if let Some((&before, &before_length)) = self.free.range(..start).next_back()
            && before + before_length == start
        {
            self.free.remove(&before);
            run = (before, before_length + length);
        }
        if let Some(behind) = self.free.remove(&(start + length)) {
            run.1 += behind;
        }
        self.free.insert(run.0, run.1);
        self.available += length;
    }
}
