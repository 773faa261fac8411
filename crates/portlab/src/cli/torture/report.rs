//! What the lives of a range came to. Reports of parts of a range add up to the report of the whole.

use std::{collections::BTreeMap, path::PathBuf};

use portlab::torture::Life;
use serde::{Deserialize, Serialize};

/// A seed whose life failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failure {
    /// What was wrong.
    pub(super) reason: String,
    /// The command that lives it again.
    pub(super) replay: String,
    /// Number of its events.
    pub(super) events: u64,
    /// Their hash, in hexadecimal: JSON's numbers are too small for it.
    pub(super) hash: String,
}

/// A driver that is broken on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BrokenBuild {
    /// What is broken.
    pub(super) name: String,
    /// The first seed whose life shows it.
    pub(super) first_failing_seed: Option<u64>,
    /// How it shows.
    pub(super) reason: Option<String>,
    /// The command that lives that life again.
    pub(super) replay: Option<String>,
}

/// A sum over hashes, one for each seed: equal if each seed had the same events, in whatever order they were lived. In
/// hexadecimal, as JSON's numbers are too small for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(super) struct Sum(u64);

impl Sum {
    fn of(seed: u64, (events, hash): (u64, u64)) -> Self {
        // Seeds that change places must show, so each hash is mixed with its own.
        let mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ events.rotate_left(40) ^ hash;
        Self(fastrand::Rng::with_seed(mixed).u64(..))
    }

    fn add(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }
}

impl From<Sum> for String {
    fn from(sum: Sum) -> Self {
        format!("{:016x}", sum.0)
    }
}

impl TryFrom<String> for Sum {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        u64::from_str_radix(&text, 16).map(Self)
    }
}

/// The report.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct TortureReport {
    pub(super) driver: PathBuf,
    pub(super) seeds: String,
    pub(super) lives: u64,
    pub(super) failures: u64,
    /// Seeds that failed, and why.
    pub(super) failed: BTreeMap<u64, Failure>,
    pub(super) replayed: u64,
    pub(super) replay_identical: bool,
    pub(super) lives_per_minute: f64,
    /// Scheduling events of all lives.
    pub(super) events: u64,
    /// A sum over the hashes of the lives' events.
    pub(super) hash: Sum,
    pub(super) requests: u64,
    /// Of those, the ones that succeeded.
    pub(super) requests_succeeded: u64,
    /// Bus resets.
    pub(super) resets: u64,
    pub(super) time_outs: u64,
    /// Lives whose adapter did not start.
    pub(super) starts_refused: u64,
    /// By kind; `allocation` for allocations.
    pub(super) faults_injected: BTreeMap<String, u64>,
    /// Lives that hold each of the twenty faults, by number.
    pub(super) lives_by_fault: BTreeMap<u8, u64>,
    pub(super) broken_builds: Vec<BrokenBuild>,
}

impl TortureReport {
    /// Adds a life.
    pub(super) fn count(&mut self, seed: u64, life: &Life, holds: &[u8]) {
        self.lives += 1;
        self.events += life.events.0;
        self.hash.add(Sum::of(seed, life.events));
        self.requests += life.tally.requests;
        self.requests_succeeded += life.tally.succeeded;
        self.resets += life.resets;
        self.time_outs += life.time_outs;
        self.starts_refused += u64::from(!life.started);
        for (kind, count) in &life.injected {
            *self.faults_injected.entry((*kind).to_owned()).or_default() += count;
        }
        if life.starved > 0 {
            *self.faults_injected.entry("allocation".to_owned()).or_default() += life.starved;
        }
        for number in holds {
            *self.lives_by_fault.entry(*number).or_default() += 1;
        }
    }

    /// Adds the report of other seeds; of what is the whole's own (driver, seeds, rate, broken builds) nothing changes.
    pub(super) fn add(&mut self, other: Self) {
        self.lives += other.lives;
        self.failures += other.failures;
        self.failed.extend(other.failed);
        self.replayed += other.replayed;
        self.replay_identical &= other.replay_identical;
        self.events += other.events;
        self.hash.add(other.hash);
        self.requests += other.requests;
        self.requests_succeeded += other.requests_succeeded;
        self.resets += other.resets;
        self.time_outs += other.time_outs;
        self.starts_refused += other.starts_refused;
        for (kind, count) in other.faults_injected {
            *self.faults_injected.entry(kind).or_default() += count;
        }
        for (number, count) in other.lives_by_fault {
            *self.lives_by_fault.entry(number).or_default() += count;
        }
    }

    /// Prints it.
    pub(super) fn print(&self) {
        println!(
            "torture    {} lives, {} failed; {} replayed, {}; {} requests, {} succeeded; {} bus resets, {} time-outs, {} starts refused; {} events, hash {}; {} lives a minute",
            self.lives,
            self.failures,
            self.replayed,
            if self.replay_identical {
                "all identical"
            } else {
                "NOT identical"
            },
            self.requests,
            self.requests_succeeded,
            self.resets,
            self.time_outs,
            self.starts_refused,
            self.events,
            String::from(self.hash),
            self.lives_per_minute,
        );
        for (kind, count) in &self.faults_injected {
            println!("fault      {kind}: {count}");
        }
        for build in &self.broken_builds {
            match (build.first_failing_seed, &build.reason) {
                (Some(seed), Some(reason)) => println!("broken     {}: seed {seed}: {reason}", build.name),
                _ => println!("broken     {}: NOT found", build.name),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_knows_which_seed_had_which_events_and_not_their_order() {
        let sum = |lives: &[(u64, (u64, u64))]| {
            let mut sum = Sum::default();
            for (seed, events) in lives {
                sum.add(Sum::of(*seed, *events));
            }
            sum
        };
        let lives = [(1, (10, 0xaaaa)), (2, (20, 0xbbbb))];
        assert_eq!(sum(&lives), sum(&[lives[1], lives[0]]));
        assert_ne!(sum(&lives), sum(&[(1, lives[1].1), (2, lives[0].1)]));
        assert_ne!(sum(&lives), sum(&[lives[0], (2, (20, 0xbbba))]));
        let text = String::from(sum(&lives));
        assert_eq!(Sum::try_from(text), Ok(sum(&lives)));
    }

    #[test]
    fn reports_of_parts_add_up() {
        let part = |seed: u64, kind: &str, identical| TortureReport {
            lives: 2,
            failures: 1,
            failed: BTreeMap::from([(seed, Failure::default())]),
            replayed: 1,
            replay_identical: identical,
            faults_injected: BTreeMap::from([(kind.to_owned(), 3)]),
            lives_by_fault: BTreeMap::from([(4, 1)]),
            ..TortureReport::default()
        };
        let mut whole = TortureReport {
            replay_identical: true,
            ..TortureReport::default()
        };
        whole.add(part(1, "abort", true));
        assert!(whole.replay_identical);
        whole.add(part(9, "abort", false));
        whole.add(part(12, "vanish", true));
        assert!(!whole.replay_identical);
        assert_eq!((whole.lives, whole.failures, whole.replayed), (6, 3, 3));
        assert_eq!(whole.failed.keys().copied().collect::<Vec<_>>(), [1, 9, 12]);
        assert_eq!(
            (whole.faults_injected["abort"], whole.faults_injected["vanish"]),
            (6, 3)
        );
        assert_eq!(whole.lives_by_fault[&4], 3);
    }
}
