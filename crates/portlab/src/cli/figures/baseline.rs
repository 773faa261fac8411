//! The counts of before.

use std::{collections::BTreeMap, fs, io, path::Path};

use super::FiguresReport;
use crate::cli::report;

/// Per cent by which a count may grow.
const MAY_GROW: f64 = 3.0;

/// Why nothing could be compared.
#[derive(Debug, thiserror::Error)]
pub(super) enum BaselineError {
    #[error("{0}: {1}")]
    Read(String, io::Error),
    #[error("{0}: {1}")]
    Parse(String, serde_json::Error),
    #[error(transparent)]
    Write(#[from] report::WriteError),
}

/// What is compared, by name.
pub(super) fn counts(report: &FiguresReport) -> BTreeMap<String, f64> {
    let mut counts = BTreeMap::new();
    for (name, split) in &report.instructions {
        for (part, number) in [
            ("total", split.total),
            ("build_io", split.build_io),
            ("start_io", split.start_io),
            ("interrupt", split.interrupt),
            ("dpc", split.dpc),
        ] {
            counts.insert(format!("instructions.{name}.{part}"), number);
        }
    }
    for (name, calls) in &report.port_calls_by_workload {
        counts.insert(format!("port_calls.{name}"), calls.values().sum());
    }
    counts.insert(String::from("sq_doorbells_per_io"), report.sq_doorbells_per_io);
    counts.insert(String::from("cq_doorbells_per_io"), report.cq_doorbells_per_io);
    counts.insert(
        String::from("register_writes_per_io_shadow"),
        report.register_writes_per_io_shadow,
    );
    counts
}

/// What has grown, in words.
pub(super) fn compare(path: &Path, now: &BTreeMap<String, f64>) -> Result<Vec<String>, BaselineError> {
    let name = || path.display().to_string();
    let text = fs::read_to_string(path).map_err(|error| BaselineError::Read(name(), error))?;
    let before: BTreeMap<String, f64> =
        serde_json::from_str(&text).map_err(|error| BaselineError::Parse(name(), error))?;
    Ok(grown(&before, now))
}

fn grown(before: &BTreeMap<String, f64>, now: &BTreeMap<String, f64>) -> Vec<String> {
    let mut grown = Vec::new();
    for (name, before) in before {
        let limit = before * (1.0 + MAY_GROW / 100.0);
        match now.get(name) {
            Some(now) if *now <= limit + 1e-9 => {}
            Some(now) => grown.push(format!(
                "{name} has grown from {before:.3} to {now:.3}, by more than {MAY_GROW} %"
            )),
            None => grown.push(format!("{name} was not counted")),
        }
    }
    for name in now.keys().filter(|name| !before.contains_key(*name)) {
        grown.push(format!("{name} is not in the baseline"));
    }
    grown
}

/// Puts the counts there.
pub(super) fn accept(path: &Path, now: &BTreeMap<String, f64>) -> Result<Vec<String>, BaselineError> {
    report::write(path, now)?;
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_by_more_than_three_per_cent_is_told() {
        let before = BTreeMap::from([(String::from("a"), 100.0), (String::from("b"), 100.0)]);
        let now = |a, b| BTreeMap::from([(String::from("a"), a), (String::from("b"), b)]);
        assert!(grown(&before, &now(103.0, 50.0)).is_empty());
        assert_eq!(grown(&before, &now(103.1, 100.0)).len(), 1);
        assert_eq!(
            grown(&before, &now(f64::NAN, 100.0)).len(),
            1,
            "no number is no count"
        );
    }

    #[test]
    fn what_is_missing_or_new_is_told() {
        let before = BTreeMap::from([(String::from("a"), 1.0)]);
        let now = BTreeMap::from([(String::from("b"), 1.0)]);
        assert_eq!(grown(&before, &now).len(), 2);
    }
}
