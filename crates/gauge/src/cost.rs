//! Instructions of the safe driver against those of its unsafe twin, from two reports of `portlab count`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// Why the counts cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CostError {
    /// A report cannot be read.
    #[error("cannot read {path}: {error}", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A report is none of `portlab count`.
    #[error("{path}: {error}", path = path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// The run did not go well.
    #[error("{path}: the run failed", path = .0.display())]
    Failed(PathBuf),
    /// The reports have other workloads or numbers of requests.
    #[error("the two reports are not of the same workloads")]
    Different,
}

/// A report of `portlab count`, as far as it is used here.
#[derive(Debug, Clone, Deserialize)]
pub struct Report {
    /// SHA-256 of the image.
    pub driver_sha256: String,
    /// Whether the run went well.
    pub ok: bool,
    /// By name.
    pub workloads: BTreeMap<String, Workload>,
}

/// A workload in it.
#[derive(Debug, Clone, Deserialize)]
pub struct Workload {
    /// Requests.
    pub operations: u64,
    /// By callback.
    pub callbacks: BTreeMap<String, Callback>,
}

/// A callback in it.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Callback {
    /// Runs.
    pub invocations: u64,
    /// Instructions of all runs.
    pub instructions: u64,
    /// Runs by length.
    pub distribution: Vec<Runs>,
    /// Calls into the port driver, of all runs.
    pub port_calls: BTreeMap<String, u64>,
    /// Register reads of all runs.
    pub register_reads: u64,
    /// Register writes of all runs.
    pub register_writes: u64,
    /// Instructions by function, of all runs.
    pub functions: Vec<Function>,
}

/// Runs of the same length.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Runs {
    /// Instructions of each.
    pub instructions: u64,
}

/// A function in it.
#[derive(Debug, Clone, Deserialize)]
pub struct Function {
    /// Name.
    pub function: String,
    /// Instructions of all runs.
    pub instructions: u64,
}

/// The comparison.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// SHA-256 of the safe driver's image.
    pub safe_sha256: String,
    /// SHA-256 of the twin's image.
    pub twin_sha256: String,
    /// Whether every run of every callback took the same number of instructions, in both drivers.
    pub repeats: bool,
    /// By workload.
    pub workloads: BTreeMap<String, BTreeMap<String, Difference>>,
}

/// One callback in both drivers, a request.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    /// Instructions of the safe driver.
    pub safe: f64,
    /// Instructions of the twin.
    pub twin: f64,
    /// The first less the second.
    pub difference: f64,
    /// Calls into the port driver, a request, by name: safe, twin.
    pub port_calls: BTreeMap<String, [f64; 2]>,
    /// Register writes, a request: safe, twin.
    pub register_writes: [f64; 2],
    /// Register reads, a request: safe, twin.
    pub register_reads: [f64; 2],
    /// Instructions by the crate that a function is of: safe, twin.
    pub crates: BTreeMap<String, [f64; 2]>,
    /// Functions in which the drivers differ; the largest difference first.
    pub functions: Vec<FunctionDifference>,
}

/// One function in both drivers, a request.
#[derive(Debug, Clone, Serialize)]
pub struct FunctionDifference {
    /// Name.
    pub function: String,
    /// Instructions of the safe driver.
    pub safe: f64,
    /// Instructions of the twin.
    pub twin: f64,
}

impl Report {
    /// Reads a report.
    ///
    /// # Errors
    /// [`CostError`].
    pub fn read(path: &Path) -> Result<Self, CostError> {
        let text = fs::read_to_string(path).map_err(|error| CostError::Read {
            path: path.to_owned(),
            error,
        })?;
        let report: Self = serde_json::from_str(&text).map_err(|error| CostError::Malformed {
            path: path.to_owned(),
            error,
        })?;
        if report.ok {
            Ok(report)
        } else {
            Err(CostError::Failed(path.to_owned()))
        }
    }

    fn repeats(&self) -> bool {
        let mut callbacks = self.workloads.values().flat_map(|workload| &workload.callbacks);
        callbacks.all(|(name, callback)| name == "other" || callback.distribution.len() == 1)
    }
}

/// Compares a driver with its twin.
///
/// # Errors
/// [`CostError::Different`].
pub fn compare(safe: &Report, twin: &Report) -> Result<Comparison, CostError> {
    if !safe.workloads.keys().eq(twin.workloads.keys()) {
        return Err(CostError::Different);
    }
    let mut workloads = BTreeMap::new();
    for (name, ours) in &safe.workloads {
        let theirs = twin.workloads.get(name).ok_or(CostError::Different)?;
        if ours.operations != theirs.operations || ours.operations == 0 {
            return Err(CostError::Different);
        }
        let callbacks: BTreeSet<&String> = ours.callbacks.keys().chain(theirs.callbacks.keys()).collect();
        let nothing = Callback::default();
        let differences = callbacks.into_iter().map(|callback| {
            let sides = [ours, theirs].map(|side| side.callbacks.get(callback).unwrap_or(&nothing));
            (callback.clone(), difference(sides, ours.operations))
        });
        workloads.insert(name.clone(), differences.collect());
    }
    Ok(Comparison {
        safe_sha256: safe.driver_sha256.clone(),
        twin_sha256: twin.driver_sha256.clone(),
        repeats: safe.repeats() && twin.repeats(),
        workloads,
    })
}

/// A sum over all requests as a figure for one.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a few thousand requests are exact in 53 bits"
)]
fn each(sum: u64, operations: u64) -> f64 {
    sum as f64 / operations as f64
}

fn difference(sides: [&Callback; 2], operations: u64) -> Difference {
    let [safe, twin] = sides.map(|side| each(side.instructions, operations));
    let pair = |figure: fn(&Callback) -> u64| sides.map(|side| each(figure(side), operations));
    let mut port_calls: BTreeMap<String, [f64; 2]> = BTreeMap::new();
    let mut crates: BTreeMap<String, [f64; 2]> = BTreeMap::new();
    let mut functions: BTreeMap<String, [f64; 2]> = BTreeMap::new();
    for (index, side) in sides.into_iter().enumerate() {
        let add = |table: &mut BTreeMap<String, [f64; 2]>, name: &str, sum: u64| {
            if let Some(place) = table.entry(name.to_owned()).or_default().get_mut(index) {
                *place += each(sum, operations);
            }
        };
        for (name, calls) in &side.port_calls {
            add(&mut port_calls, name, *calls);
        }
        for function in &side.functions {
            add(&mut crates, crate_of(&function.function), function.instructions);
            add(&mut functions, &function.function, function.instructions);
        }
    }
    let mut functions: Vec<FunctionDifference> = functions
        .into_iter()
        .filter(|(_, [safe, twin])| safe.total_cmp(twin).is_ne())
        .map(|(function, [safe, twin])| FunctionDifference { function, safe, twin })
        .collect();
    functions.sort_by(|a, b| (b.safe - b.twin).abs().total_cmp(&(a.safe - a.twin).abs()));
    Difference {
        safe,
        twin,
        difference: safe - twin,
        port_calls,
        register_writes: pair(|side| side.register_writes),
        register_reads: pair(|side| side.register_reads),
        crates,
        functions,
    }
}

/// The crate in a function's name; a function in assembly, or of an import, has none.
fn crate_of(function: &str) -> &str {
    function.split_once("::").map_or("(none)", |(first, _)| first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(instructions: u64, functions: &[(&str, u64)]) -> Report {
        let callback = Callback {
            invocations: 4,
            instructions: 4 * instructions,
            distribution: vec![Runs { instructions }],
            port_calls: BTreeMap::from([(String::from("StorPortBusy"), 8)]),
            functions: functions
                .iter()
                .map(|(function, instructions)| Function {
                    function: (*function).to_owned(),
                    instructions: 4 * instructions,
                })
                .collect(),
            ..Callback::default()
        };
        let workload = Workload {
            operations: 4,
            callbacks: BTreeMap::from([(String::from("start_io"), callback)]),
        };
        Report {
            driver_sha256: String::new(),
            ok: true,
            workloads: BTreeMap::from([(String::from("read"), workload)]),
        }
    }

    #[test]
    fn what_both_do_alike_is_no_difference() {
        let safe = report(30, &[("storport::a", 20), ("nvme::b", 10)]);
        let twin = report(15, &[("twin::a", 5), ("nvme::b", 10)]);
        let compared = compare(&safe, &twin).unwrap();
        let difference = &compared.workloads["read"]["start_io"];
        assert_eq!(difference.difference.to_string(), "15");
        let names: Vec<&str> = difference
            .functions
            .iter()
            .map(|one| one.function.as_str())
            .collect();
        assert_eq!(names, ["storport::a", "twin::a"]);
        assert_eq!(
            difference.port_calls["StorPortBusy"].map(|calls| calls.to_string()),
            ["2", "2"]
        );
        assert_eq!(difference.crates["nvme"].map(|sum| sum.to_string()), ["10", "10"]);
        assert!(compared.repeats);
    }

    #[test]
    fn other_workloads_are_not_compared() {
        let safe = report(1, &[]);
        let mut twin = report(1, &[]);
        twin.workloads.get_mut("read").unwrap().operations = 5;
        assert!(matches!(compare(&safe, &twin), Err(CostError::Different)));
        twin.workloads.clear();
        assert!(matches!(compare(&safe, &twin), Err(CostError::Different)));
    }

    #[test]
    fn runs_of_two_lengths_do_not_repeat() {
        let mut safe = report(1, &[]);
        let callbacks = &mut safe.workloads.get_mut("read").unwrap().callbacks;
        let distribution = &mut callbacks.get_mut("start_io").unwrap().distribution;
        distribution.push(Runs { instructions: 2 });
        assert!(!compare(&safe, &report(1, &[])).unwrap().repeats);
    }
}
