//! One driver in the lab: what was reported.

use std::{io, path::Path, sync::Arc};

use portlab::{
    device::{self, Device, OpenError, scratch::ScratchDevice},
    model::{
        AdapterParameters, EngineKind, Lab, LabError, LabOptions, Violation,
        rules::{Severity, Tier},
    },
};
use serde::{Deserialize, Serialize};

use crate::label::Label;

/// Where the drivers' sources lie.
const SOURCES: &str = "/zoo/";

/// A breach, as far as the table shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Breach {
    /// The rule.
    pub rule: String,
    /// Evidence tier of the rule.
    pub tier: String,
    /// A breach, or something that looks wrong.
    pub warning: bool,
    /// What happened.
    pub detail: String,
    /// The call or callback in which it was noticed.
    pub call: String,
    /// The innermost line of the driver's own source in the back-trace.
    pub line: Option<String>,
}

/// What was seen of a driver.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Seen {
    /// The breaches, in order.
    pub breaches: Vec<Breach>,
    /// Why it could not be looked at.
    pub failure: Option<String>,
}

/// Why a driver cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum VisitError {
    /// There is no device for it.
    #[error("no memory for a device: {0}")]
    Device(#[from] io::Error),
    /// Its device cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It cannot be loaded.
    #[error(transparent)]
    Load(#[from] LabError),
    /// The label asks for allocation failures in words that the lab does not know.
    #[error("failing={0}")]
    Failing(String),
}

const fn tier(tier: Tier) -> &'static str {
    match tier {
        Tier::Kit => "kit",
        Tier::Documentation => "documentation",
        Tier::Sample => "sample",
        Tier::Inferred => "inferred",
    }
}

/// `file:line` of the back-trace, innermost: in the driver's own source, else in what it shares with others.
fn own_line(violation: &Violation, source: &str) -> Option<String> {
    let words = || {
        violation
            .backtrace
            .iter()
            .flat_map(|frame| frame.place.split_whitespace())
            .map(|word| word.trim_matches(['(', ')', ',']))
    };
    let own = words().find(|word| {
        let file = word.rsplit('/').next().unwrap_or(word);
        file.strip_prefix(source)
            .is_some_and(|rest| rest.starts_with(':'))
    });
    let of_zoo = own.or_else(|| words().find(|word| word.contains(SOURCES)))?;
    let at = of_zoo.rfind(SOURCES).map_or(0, |at| at + SOURCES.len());
    of_zoo.get(at..).map(str::to_owned)
}

fn breach(violation: &Violation, source: &str) -> Breach {
    Breach {
        rule: violation.rule.to_owned(),
        tier: tier(violation.tier).to_owned(),
        warning: violation.severity == Severity::Warning,
        detail: violation.detail.clone(),
        call: violation.call.clone(),
        line: own_line(violation, source),
    }
}

/// Lives a driver's lives; `without` is a rule that the lab is not to judge.
///
/// # Errors
/// If the driver cannot be looked at.
pub fn visit(label: &Label, driver: &Path, without: Option<&str>) -> Result<Seen, VisitError> {
    let mut seen = Seen::default();
    for seed in label.seeds.clone() {
        seen.breaches.extend(live(label, seed, driver, without)?);
        let expected = |breach: &Breach| label.rule.is_some_and(|rule| rule.id == breach.rule);
        if seen.breaches.iter().any(expected) {
            break;
        }
    }
    Ok(seen)
}

fn live(label: &Label, seed: u64, driver: &Path, without: Option<&str>) -> Result<Vec<Breach>, VisitError> {
    let device: Arc<dyn Device> = match (&label.device, label.engine) {
        (None, EngineKind::Deterministic) => Arc::new(ScratchDevice::new_movable()?),
        (None, EngineKind::Parallel) => Arc::new(ScratchDevice::new()?),
        (Some(spec), EngineKind::Deterministic) => device::open_movable(spec, seed)?,
        (Some(spec), EngineKind::Parallel) => device::open(spec, seed)?,
    };
    let mut options = LabOptions::new(driver.to_owned(), device);
    options.engine = label.engine;
    options.seed = seed;
    options.without_rule = without.map(str::to_owned);
    options.registry = AdapterParameters {
        msi_supported: true,
        ..AdapterParameters::default()
    };
    if let Some(text) = &label.failing {
        let failing = text.parse().map_err(|_| VisitError::Failing(text.clone()))?;
        options.allocation_failures = Some(failing);
    }
    let lab = Lab::load(options)?;
    label.life.live(&lab);
    let mut all = lab.violations();
    all.extend(lab.warnings());
    let source = label.source.file_name().unwrap_or_default().to_string_lossy();
    Ok(all.iter().map(|violation| breach(violation, &source)).collect())
}
