//! The table that is printed and the JSON that is written.

use std::{fmt::Write as _, path::PathBuf};

use probe_rows::{Row, Via, Way};
use serde::Serialize;

use crate::{
    holds,
    mutations::Mutant,
    observation::{Observation, expectation},
};

/// What became of a row.
#[derive(Debug, Clone, Serialize)]
pub struct RowResult {
    /// The call.
    pub function: &'static str,
    /// The return code.
    pub status: &'static str,
    /// The state or the argument that leads there.
    pub cause: &'static str,
    /// `safe`: by the crate's API; `raw`: by the DDI itself.
    pub via: Option<&'static str>,
    /// What has to be seen.
    pub expected: String,
    /// What was seen.
    pub observed: Option<String>,
    /// Rules of the lab that the row breaks on purpose.
    pub expected_rules: &'static [&'static str],
    /// Rules that were broken.
    pub observed_rules: Vec<&'static str>,
    /// Why nothing can be seen.
    pub unreachable_because: Option<&'static str>,
    /// Whether what was seen is what had to be, or nothing can be.
    pub ok: bool,
}

impl RowResult {
    /// Compares.
    #[must_use]
    pub fn new(row: &Row, observation: Option<Observation>) -> Self {
        let reach = match row.way {
            Way::Reached(reach) => Some(reach),
            Way::Unreachable(_) => None,
        };
        let effect = reach.map(|reach| reach.effect);
        Self {
            function: row.function.name(),
            status: row.answer.name(),
            cause: row.cause,
            via: reach.map(|reach| match reach.via {
                Via::Safe => "safe",
                Via::Raw => "raw",
            }),
            expected: effect.map_or_else(
                || row.answer.name().to_owned(),
                |effect| expectation(row.answer, effect),
            ),
            observed: observation
                .as_ref()
                .zip(effect)
                .map(|(observation, effect)| observation.describe(row.function, effect)),
            expected_rules: reach.map_or(&[], |reach| reach.rules),
            unreachable_because: match row.way {
                Way::Unreachable(reason) => Some(reason),
                Way::Reached(_) => None,
            },
            ok: match (&observation, reach) {
                (Some(observation), _) => holds(row, observation),
                (None, Some(_)) => false,
                (None, None) => true,
            },
            observed_rules: observation
                .map(|observation| observation.rules)
                .unwrap_or_default(),
        }
    }
}

/// What became of a mutant.
#[derive(Debug, Clone, Serialize)]
pub struct MutantResult {
    /// The call.
    pub function: &'static str,
    /// The return code of the row that had to notice.
    pub status: &'static str,
    /// The cause of that row.
    pub cause: &'static str,
    /// What was wrong with the model.
    pub mutation: String,
    /// What was seen.
    pub observed: String,
    /// Whether the model was wrong at all while the row was observed.
    pub made: bool,
    /// Whether the row noticed.
    pub caught: bool,
}

impl MutantResult {
    /// Compares.
    #[must_use]
    pub fn new(mutant: &Mutant, observation: &Observation, made: bool) -> Self {
        let row = mutant.row;
        Self {
            function: row.function.name(),
            status: row.answer.name(),
            cause: row.cause,
            mutation: mutant.to_string(),
            observed: observation.describe(row.function, mutant.reach.effect),
            made,
            caught: made && !holds(row, observation),
        }
    }
}

/// The report.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The probe.
    pub driver: PathBuf,
    /// What the report means.
    pub proves: &'static str,
    /// All rows are as the pages say, and all mutations were caught.
    pub ok: bool,
    /// The rows.
    pub rows: Vec<RowResult>,
    /// Mutations of the model.
    pub mutations_total: usize,
    /// Of those, the ones whose row noticed.
    pub mutations_caught: usize,
    /// Each of them.
    pub mutations: Vec<MutantResult>,
    /// How long it took.
    pub seconds: f64,
}

/// What the report means.
pub const PROVES: &str = "the lab and the crate storport agree on these codes, and the comparison notices when they \
                          do not; both are made from the same pages, and Windows has not been asked";

impl Report {
    /// Puts together what was seen.
    #[must_use]
    pub fn new(driver: PathBuf, rows: Vec<RowResult>, mutations: Vec<MutantResult>, seconds: f64) -> Self {
        let mutations_caught = mutations.iter().filter(|mutant| mutant.caught).count();
        Self {
            driver,
            proves: PROVES,
            ok: rows.iter().all(|row| row.ok) && mutations_caught == mutations.len(),
            rows,
            mutations_total: mutations.len(),
            mutations_caught,
            mutations,
            seconds,
        }
    }

    /// The table, for people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = String::new();
        let mut function = "";
        for row in &self.rows {
            if row.function != function {
                function = row.function;
                let _ = writeln!(text, "{function}");
            }
            let mark = match (row.ok, row.unreachable_because) {
                (true, None) => "ok",
                (true, Some(_)) => "-",
                (false, _) => "WRONG",
            };
            let status = row.status.trim_start_matches("STOR_STATUS_");
            let _ = writeln!(
                text,
                "  {mark:<5} {status:<22} {:<4} {}",
                row.via.unwrap_or(""),
                row.cause
            );
            if let Some(reason) = row.unreachable_because {
                let _ = writeln!(text, "        not reachable {reason}");
            } else if !row.ok {
                let _ = writeln!(text, "        expected {} {:?}", row.expected, row.expected_rules);
                let observed = row.observed.as_deref().unwrap_or("nothing");
                let _ = writeln!(text, "        observed {observed} {:?}", row.observed_rules);
            }
        }
        for mutant in self.mutations.iter().filter(|mutant| !mutant.caught) {
            let _ = writeln!(
                text,
                "MISSED  {} ({}, {}): {}{}; observed {}",
                mutant.function,
                mutant.status,
                mutant.cause,
                mutant.mutation,
                if mutant.made { "" } else { " (never made)" },
                mutant.observed
            );
        }
        let reached = self.rows.iter().filter(|row| row.unreachable_because.is_none());
        let (right, all) = reached.fold((0, 0), |(right, all), row| (right + usize::from(row.ok), all + 1));
        let _ = writeln!(
            text,
            "{right} of {all} rows as documented, {} unreachable; {} of {} mutations of the model caught; {:.1} s",
            self.rows.len() - all,
            self.mutations_caught,
            self.mutations_total,
            self.seconds
        );
        text
    }
}
