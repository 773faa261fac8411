//! Is an INF declarative and isolated, as `InfVerif` and the INF pages demand?
//!
//! - [`rules`]: what is demanded, in one table;
//! - `plan`: what an installation does: which sections are reached, by which directive;
//! - `syntax`, `version`, `structure`, `files`, `services`, `registry`: the checks, by what they look at;
//! - [`proof`]: a right INF broken in one way for each rule, to see each rule bite.
//!
//! `InfVerif` is Microsoft's program and runs on Windows only. What it documents is checked here; what it does beyond
//! its documentation is not.

mod files;
mod plan;
pub mod proof;
mod registry;
pub mod rules;
mod services;
mod structure;
mod syntax;
mod version;

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeStruct};

use self::plan::Plan;
pub use self::rules::{RULES, Rule, Severity};
use super::Inf;

/// A rule that an INF breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// Where, from 1; the last line for what is missing.
    pub line: usize,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.rule.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "line {}: {severity} {}", self.line, self.rule.id)?;
        if let Some(number) = self.rule.infverif {
            write!(f, " (InfVerif {number})")?;
        }
        write!(f, ": {}. {}", self.what, self.rule.sentence)
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Finding", 7)?;
        fields.serialize_field("rule", self.rule.id)?;
        fields.serialize_field("infverif", &self.rule.infverif)?;
        fields.serialize_field("severity", &self.rule.severity)?;
        fields.serialize_field("line", &self.line)?;
        fields.serialize_field("what", &self.what)?;
        fields.serialize_field("demands", self.rule.sentence)?;
        fields.serialize_field("reference", self.rule.reference)?;
        fields.end()
    }
}

/// What is wrong with a stamped INF, by line.
#[must_use]
pub fn check(inf: &Inf) -> Vec<Finding> {
    let mut findings = Findings::default();
    syntax::check(inf, &mut findings);
    version::check(inf, &mut findings);
    let plan = Plan::of(inf);
    structure::check(inf, &plan, &mut findings);
    files::check(inf, &plan, &mut findings);
    services::check(inf, &plan, &mut findings);
    registry::check(inf, &plan, &mut findings);
    findings.sorted()
}

/// What was found so far.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn tell(&mut self, rule: &'static Rule, line: usize, what: impl Into<String>) {
        let what = what.into();
        // A section that several installs share is looked at once for each.
        let finding = Finding { rule, line, what };
        if !self.0.contains(&finding) {
            self.0.push(finding);
        }
    }

    fn sorted(mut self) -> Vec<Finding> {
        self.0.sort_by_key(|finding| finding.line);
        self.0
    }
}

/// A number as INF files write it: decimal, or hexadecimal after 0x.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) if !digits.starts_with('+') => u64::from_str_radix(digits, 16).ok(),
        None if !text.starts_with('+') => text.parse().ok(),
        _ => None,
    }
}
