//! `portlab run --fail-allocation each`: one run for each allocation that the driver makes, in which it fails.

use std::{path::Path, str::FromStr};

use portlab::model::{AllocationFailures, ParseAllocationFailuresError, Which};
use serde::Serialize;

use super::{
    bench::BenchError,
    exit::Exit,
    report::{self, Observed},
    run::refuse,
};

/// Allocations of one place that are tried: the first ones, and the last.
const TRIED: u64 = 8;

/// Which allocations fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FailAllocation {
    /// Each, in a run of its own.
    Each,
    /// Those of a plan.
    Plan(AllocationFailures),
}

impl FromStr for FailAllocation {
    type Err = ParseAllocationFailuresError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "each" {
            return Ok(Self::Each);
        }
        text.parse().map(Self::Plan)
    }
}

/// How the driver took it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    /// It did not start, broke no rule and left nothing behind.
    StartRefused,
    /// It did all its work without.
    Works,
    /// The run did not come to it: where threads race, runs differ.
    NotReached,
    /// It broke a rule, left something behind, or failed later.
    Failed,
}

impl Verdict {
    fn of(observed: &Observed, failure: Option<&BenchError>) -> Self {
        let clean = !observed.is_violation()
            && observed
                .removal
                .as_ref()
                .is_none_or(|removal| removal.leaks.is_empty());
        match failure {
            None if clean => Self::Works,
            Some(BenchError::Start(_) | BenchError::Load { .. }) if clean => Self::StartRefused,
            _ => Self::Failed,
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::StartRefused => "start refused",
            Self::Works => "works",
            Self::NotReached => "not reached",
            Self::Failed => "FAILED",
        }
    }
}

/// One allocation.
#[derive(Debug, Serialize)]
struct Row {
    /// The call and the callback that it was made from.
    place: String,
    /// Which of the calls there.
    number: u64,
    verdict: Verdict,
    /// What the run ended with.
    detail: String,
    /// Rules that were broken.
    rules: Vec<&'static str>,
}

/// The report.
#[derive(Debug, Serialize)]
struct EachReport<'a> {
    driver: &'a Path,
    allocations: usize,
    failed: usize,
    ok: bool,
    rows: Vec<Row>,
}

/// Lets each allocation fail that a first run makes; `once` makes a run.
pub(super) fn each(
    driver: &Path,
    json: Option<&Path>,
    once: impl Fn(Option<AllocationFailures>) -> (Observed, Option<BenchError>),
) -> Exit {
    let (observed, failure) = once(None);
    if Verdict::of(&observed, failure.as_ref()) != Verdict::Works {
        eprintln!("portlab: the run in which no allocation fails is not clean");
        return super::run::conclude(&observed, failure.as_ref());
    }
    let mut rows = Vec::new();
    for (place, count) in &observed.allocation_places {
        let first = 1..=(*count).min(TRIED);
        for number in first.chain((*count > TRIED).then_some(*count)) {
            let Some(which) = number.try_into().ok() else {
                continue;
            };
            let failures = AllocationFailures {
                place: place.clone(),
                which: Which::Nth(which),
            };
            let (observed, failure) = once(Some(failures));
            let refused = observed
                .statistics
                .is_none_or(|statistics| statistics.allocations_failed > 0);
            let mut row = Row {
                place: place.clone(),
                number,
                verdict: Verdict::of(&observed, failure.as_ref()),
                detail: failure.map(|error| error.to_string()).unwrap_or_default(),
                rules: observed
                    .violation_records
                    .iter()
                    .map(|violation| violation.rule)
                    .collect(),
            };
            if !refused && row.verdict == Verdict::Works {
                row.verdict = Verdict::NotReached;
            }
            let rules = row.rules.join(", ");
            println!(
                "{:<14} {place}:{number}  {} {rules}",
                row.verdict.text(),
                row.detail
            );
            rows.push(row);
        }
    }
    let failed = rows.iter().filter(|row| row.verdict == Verdict::Failed).count();
    let broken = rows.iter().any(|row| !row.rules.is_empty());
    let report = EachReport {
        driver,
        allocations: rows.len(),
        failed,
        ok: failed == 0,
        rows,
    };
    println!(
        "{} allocations, each failed once; {failed} taken badly",
        report.allocations
    );
    if let Some(path) = json
        && let Err(error) = report::write(path, &report)
    {
        return refuse(&error);
    }
    match (failed, broken) {
        (0, _) => Exit::Success,
        (_, true) => Exit::Violation,
        _ => Exit::CheckFailed,
    }
}
