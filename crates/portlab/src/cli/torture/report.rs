//! What the lives of a range came to. Reports of parts of a range add up to the report of the whole.

use std::{collections::BTreeMap, path::PathBuf};

use portlab::torture::Life;
use serde::{Deserialize, Serialize};

/// A seed whose life failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    pub(super) fn count(&mut self, life: &Life, holds: &[u8]) {
        self.lives += 1;
        self.events += life.events.0;
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

    /// Prints it.
    pub(super) fn print(&self) {
        println!(
            "torture    {} lives, {} failed; {} replayed, {}; {} requests, {} succeeded; {} bus resets, {} time-outs, {} starts refused; {} events; {} lives a minute",
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
