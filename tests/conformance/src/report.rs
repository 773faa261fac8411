//! What is printed and written.

use std::fmt::Write as _;

use serde::Serialize;

/// A test that did not run, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Skipped {
    pub(crate) test: String,
    pub(crate) reason: String,
}

/// A test that failed, and where a standard allows what it complains about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Permitted {
    pub(crate) test: String,
    pub(crate) clause: String,
}

/// A test that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Failure {
    pub(crate) test: String,
    pub(crate) what: String,
}

/// What one suite thinks of one device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Row {
    pub(crate) suite: &'static str,
    pub(crate) device: &'static str,
    /// Tests that really ran, and passed.
    pub(crate) ran_passed: usize,
    pub(crate) skipped: Vec<Skipped>,
    /// How many failed without permission.
    pub(crate) failed: usize,
    pub(crate) failures: Vec<Failure>,
    pub(crate) permitted: Vec<Permitted>,
    /// Rules of the DDI that the driver broke meanwhile.
    pub(crate) violations: usize,
    pub(crate) seconds: u64,
}

impl Row {
    pub(crate) fn new(suite: &'static str, device: &'static str) -> Self {
        Self {
            suite,
            device,
            ..Self::default()
        }
    }

    pub(crate) fn pass(&mut self) {
        self.ran_passed += 1;
    }

    pub(crate) fn skip(&mut self, test: impl Into<String>, reason: impl Into<String>) {
        let (test, reason) = (test.into(), reason.into());
        self.skipped.push(Skipped { test, reason });
    }

    pub(crate) fn fail(&mut self, test: impl Into<String>, what: impl Into<String>) {
        let (test, what) = (test.into(), what.into());
        self.failures.push(Failure { test, what });
        self.failed = self.failures.len();
    }

    pub(crate) fn permit(&mut self, test: impl Into<String>, clause: impl Into<String>) {
        let (test, clause) = (test.into(), clause.into());
        self.permitted.push(Permitted { test, clause });
    }

    /// Counts a test by its result.
    pub(crate) fn judge(&mut self, test: impl Into<String>, result: Result<(), String>) {
        match result {
            Ok(()) => self.pass(),
            Err(what) => self.fail(test, what),
        }
    }

    /// Red: something failed without permission, a rule was broken, or nothing ran at all.
    pub(crate) fn is_red(&self) -> bool {
        self.failed > 0 || self.violations > 0 || self.ran_passed == 0
    }
}

/// A build with a deliberate mistake, and what noticed it.
#[derive(Debug, Serialize)]
pub(crate) struct Mutation {
    pub(crate) name: String,
    pub(crate) caught: bool,
    /// The rows that turned red, and the first failure of each.
    pub(crate) by: Vec<String>,
}

/// Reads through iSCSI, ours and the reference target's.
#[derive(Debug, Serialize)]
pub(crate) struct Speed {
    pub(crate) ours: Vec<f64>,
    pub(crate) tgt: Vec<f64>,
    pub(crate) ratio: f64,
}

/// The whole report.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) ok: bool,
    pub(crate) driver: String,
    pub(crate) rows: Vec<Row>,
    /// Absent if they were not run.
    pub(crate) mutations_caught: Option<usize>,
    pub(crate) mutations: Vec<Mutation>,
    /// Reads a second through iSCSI, ours over tgt's; absent if it was not measured.
    pub(crate) iscsi_ratio_to_tgt: Option<f64>,
    pub(crate) speed: Option<Speed>,
    pub(crate) seconds: u64,
}

impl Report {
    pub(crate) fn table(&self) -> String {
        let mut text = format!(
            "\n{:<12} {:<15} {:>10} {:>8} {:>10} {:>7} {:>11} {:>4}\n",
            "suite", "device", "ran+passed", "skipped", "permitted", "failed", "violations", "s"
        );
        for row in &self.rows {
            let _ = writeln!(
                text,
                "{:<12} {:<15} {:>10} {:>8} {:>10} {:>7} {:>11} {:>4}",
                row.suite,
                row.device,
                row.ran_passed,
                row.skipped.len(),
                row.permitted.len(),
                row.failed,
                row.violations,
                row.seconds
            );
        }
        for row in &self.rows {
            for Failure { test, what } in &row.failures {
                let _ = writeln!(text, "FAILED {} on {}: {test}: {what}", row.suite, row.device);
            }
            for Permitted { test, clause } in &row.permitted {
                let _ = writeln!(
                    text,
                    "permitted {} on {}: {test}: {clause}",
                    row.suite, row.device
                );
            }
        }
        for mutation in &self.mutations {
            let how = if mutation.caught { "caught" } else { "NOT CAUGHT" };
            let _ = writeln!(
                text,
                "mutation {}: {how}: {}",
                mutation.name,
                mutation.by.join("; ")
            );
        }
        if let Some(speed) = &self.speed {
            let _ = writeln!(
                text,
                "iscsi_ratio_to_tgt {:.2} (reads a second, ours {:?}, tgt {:?})",
                speed.ratio, speed.ours, speed.tgt
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_in_which_nothing_ran_is_red() {
        let mut row = Row::new("suite", "device");
        row.skip("a", "not there");
        assert!(row.is_red());
        row.pass();
        assert!(!row.is_red());
        row.permit("b", "SPC-4");
        assert!(!row.is_red());
        row.judge("c", Err("wrong".to_owned()));
        assert!(row.is_red() && row.failed == 1);
    }
}
