//! Allocations that fail on purpose.
//!
//! Everything that is allocated on the driver's behalf, and every call whose page knows
//! `STOR_STATUS_INSUFFICIENT_RESOURCES`, asks [`Machine::memory_left`] first; a plan says which of them are refused.

use std::{collections::BTreeMap, fmt, num::NonZeroU64, str::FromStr};

use parking_lot::Mutex;

use super::machine::Machine;

/// Which of the driver's allocations fail.
///
/// As text: `[PLACE:]WHICH`. PLACE is a part of the call's name and of the callback it comes from, as violations
/// show them (`AllocatePool`, `InitializeWorker`, `AllocatePool in HwStorFindAdapter`); without one every allocating
/// call counts. WHICH is `N` (the Nth), `N+` (the Nth and all later ones) or `1/N` (one in N, chosen by the seed).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllocationFailures {
    /// A part of "call in callback"; empty for everywhere.
    pub place: String,
    /// Which of the calls there.
    pub which: Which,
}

/// Which of the calls at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The Nth, counted from one.
    Nth(NonZeroU64),
    /// The Nth and all later ones.
    From(NonZeroU64),
    /// One in N, chosen by the seed.
    OneIn(NonZeroU64),
}

/// A text that is no [`AllocationFailures`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}`: give [PLACE:]WHICH, for example 3, AllocatePool:1+ or InitializeWorker in HwStorFindAdapter:1/10"
)]
pub struct ParseAllocationFailuresError(String);

impl FromStr for AllocationFailures {
    type Err = ParseAllocationFailuresError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (place, which) = text.rsplit_once(':').unwrap_or(("", text));
        let which = if let Some(number) = which.strip_suffix('+') {
            number.parse().map(Which::From)
        } else if let Some(number) = which.strip_prefix("1/") {
            number.parse().map(Which::OneIn)
        } else {
            which.parse().map(Which::Nth)
        };
        Ok(Self {
            place: place.to_owned(),
            which: which.map_err(|_| ParseAllocationFailuresError(text.to_owned()))?,
        })
    }
}

impl fmt::Display for AllocationFailures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.place.is_empty() {
            write!(f, "{}:", self.place)?;
        }
        match self.which {
            Which::Nth(number) => write!(f, "{number}"),
            Which::From(number) => write!(f, "{number}+"),
            Which::OneIn(number) => write!(f, "1/{number}"),
        }
    }
}

/// A plan being carried out.
struct Plan {
    failures: AllocationFailures,
    seen: u64,
    random: fastrand::Rng,
}

impl Plan {
    fn fails(&mut self, place: &str) -> bool {
        if !place.contains(&self.failures.place) {
            return false;
        }
        self.seen += 1;
        match self.failures.which {
            Which::Nth(number) => self.seen == number.get(),
            Which::From(number) => self.seen >= number.get(),
            Which::OneIn(number) => self.random.u64(..number.get()) == 0,
        }
    }
}

/// The plan in force, and where allocations are made.
#[derive(Default)]
pub(super) struct FailingAllocations {
    plan: Mutex<Option<Plan>>,
    /// How many were asked for, by place.
    seen: Mutex<BTreeMap<String, u64>>,
}

impl FailingAllocations {
    pub(super) fn new(failures: Option<AllocationFailures>, seed: u64) -> Self {
        let this = Self::default();
        this.set(failures, seed);
        this
    }

    /// How many allocations were asked for, by place.
    pub(super) fn seen(&self) -> Vec<(String, u64)> {
        let seen = self.seen.lock();
        seen.iter()
            .map(|(place, count)| (place.clone(), *count))
            .collect()
    }

    /// Replaces the plan; calls are counted anew.
    pub(super) fn set(&self, failures: Option<AllocationFailures>, seed: u64) {
        *self.plan.lock() = failures.map(|failures| Plan {
            failures,
            seen: 0,
            random: fastrand::Rng::with_seed(seed),
        });
    }
}

impl Machine {
    /// Whether the memory that the driver's call needs is there.
    pub(super) fn memory_left(&self) -> bool {
        self.counters.allocations();
        let place = Self::place();
        let mut plan = self.failing_allocations.plan.lock();
        let fails = plan.as_mut().is_some_and(|plan| plan.fails(&place));
        drop(plan);
        *self.failing_allocations.seen.lock().entry(place).or_default() += 1;
        if fails {
            self.counters.allocations_failed();
        }
        !fails
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str, seed: u64) -> Plan {
        let failing = FailingAllocations::new(Some(text.parse().expect(text)), seed);
        failing.plan.into_inner().expect("a plan")
    }

    fn failures(text: &str, seed: u64, place: &str) -> Vec<usize> {
        let mut plan = plan(text, seed);
        (1..=100).filter(|_| plan.fails(place)).collect()
    }

    #[test]
    fn a_plan_is_read_as_it_is_written() {
        for text in [
            "3",
            "2+",
            "1/10",
            "AllocatePool:1",
            "AllocatePool in HwStorFindAdapter:7+",
        ] {
            let plan: AllocationFailures = text.parse().expect(text);
            assert_eq!(plan.to_string(), text);
        }
        for text in ["", "0", "AllocatePool", "AllocatePool:", "1/0", "2/3", "-1", "0+"] {
            assert!(text.parse::<AllocationFailures>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_calls_at_the_place_are_counted() {
        assert_eq!(failures("3", 0, "StorPortAllocatePool"), [3]);
        assert_eq!(failures("99+", 0, "StorPortAllocatePool"), [99, 100]);
        assert!(failures("InitializeWorker:1+", 0, "StorPortAllocatePool").is_empty());
        let mut plan = plan("AllocatePool in HwStorFindAdapter:2", 0);
        let there = "StorPortAllocatePool in HwStorFindAdapter";
        assert!(!plan.fails(there));
        assert!(!plan.fails("StorPortAllocatePool in HwStorTimer"));
        assert!(plan.fails(there));
    }

    #[test]
    fn one_in_n_is_the_seeds_choice() {
        let first = failures("1/10", 1, "StorPortAllocatePool");
        assert_eq!(first, failures("1/10", 1, "StorPortAllocatePool"));
        assert_ne!(first, failures("1/10", 2, "StorPortAllocatePool"));
        assert!((1..50).contains(&first.len()), "{first:?}");
    }
}
