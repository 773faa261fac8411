//! What a round has shown: the table, and `zoo.json`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    time::Duration,
};

use portlab::model::rules::RULES;
use serde::Serialize;

use crate::{label::Label, visit::Seen};

/// One driver.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Its name: `target/zoo/DRIVER.sys`.
    pub driver: String,
    /// What it is written in.
    pub language: &'static str,
    /// The rule that it breaks; none for a right driver.
    pub expected: Option<String>,
    /// The rules that were reported, in their order.
    pub reported: Vec<String>,
    /// The rules that a breach of the expected one may lead to.
    pub consequences: Vec<String>,
    /// Where the expected rule is written down.
    pub tier: Option<String>,
    /// The expected rule was reported, and nothing else that its label does not explain; of a right driver nothing.
    pub ok: bool,
    /// Reported and neither expected nor explained.
    pub false_alarms: Vec<String>,
    /// What happened instead of what the rule demands.
    pub detail: Option<String>,
    /// The call in which it was noticed.
    pub call: Option<String>,
    /// The driver's own line in the back-trace, innermost.
    pub line: Option<String>,
    /// Why the driver could not be looked at.
    pub failure: Option<String>,
    /// What its life took.
    pub milliseconds: u64,
}

impl Row {
    /// Judges what was seen of a driver.
    #[must_use]
    pub fn new(label: &Label, seen: Seen, took: Duration) -> Self {
        let expected = label.rule.map(|rule| rule.id.to_owned());
        let consequences: Vec<String> = label.also.iter().map(|rule| rule.id.to_owned()).collect();
        let mut reported: Vec<String> = Vec::new();
        for breach in &seen.breaches {
            if !reported.contains(&breach.rule) {
                reported.push(breach.rule.clone());
            }
        }
        let explained = |rule: &String| expected.as_ref() == Some(rule) || consequences.contains(rule);
        let false_alarms: Vec<String> = reported.iter().filter(|rule| !explained(rule)).cloned().collect();
        // Of a wrong driver the breach that it is here for; of a right one any.
        let of_interest = seen
            .breaches
            .iter()
            .filter(|breach| expected.as_ref().is_none_or(|rule| *rule == breach.rule));
        let shown = of_interest.clone().find(|breach| breach.line.is_some());
        let shown = shown.or_else(|| of_interest.clone().next()).cloned();
        let caught = expected.as_ref().is_none_or(|rule| reported.contains(rule));
        Self {
            driver: label.name.clone(),
            language: label.language,
            ok: caught && false_alarms.is_empty() && seen.failure.is_none(),
            tier: label.rule.map(|rule| format!("{:?}", rule.tier).to_lowercase()),
            expected,
            reported,
            consequences,
            false_alarms,
            detail: shown.as_ref().map(|breach| breach.detail.clone()),
            call: shown.as_ref().map(|breach| breach.call.clone()),
            line: shown.and_then(|breach| breach.line),
            failure: seen.failure,
            milliseconds: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// Whether the rule that it is here for was reported.
    fn is_caught(&self) -> bool {
        self.expected
            .as_ref()
            .is_some_and(|rule| self.reported.contains(rule))
    }
}

/// A rule without an animal.
#[derive(Debug, Clone, Serialize)]
pub struct Uncovered {
    /// Its id.
    pub rule: &'static str,
    /// Why there is none.
    pub why: &'static str,
}

/// The report.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Everything is as the labels say.
    pub ok: bool,
    /// Rules with at least one wrong driver.
    pub rules: usize,
    /// Of those, the ones whose drivers were all reported under them.
    pub caught: usize,
    /// Right drivers of which nothing was reported.
    pub clean: usize,
    /// Rules reported of a right driver, or of a wrong one whose label does not explain them.
    pub false_alarms: usize,
    /// Drivers that could not be looked at.
    pub failures: usize,
    /// Rules of the lab in all.
    pub rules_of_the_lab: usize,
    /// What the round took.
    pub seconds: f64,
    /// The drivers by the rule that they break; the right ones under `none`.
    pub rows: BTreeMap<String, Vec<Row>>,
    /// Rules without a driver.
    pub uncovered: Vec<Uncovered>,
}

impl Report {
    /// Sums up.
    #[must_use]
    pub fn new(rows: Vec<Row>, took: Duration) -> Self {
        let mut by_rule: BTreeMap<String, Vec<Row>> = BTreeMap::new();
        for row in rows {
            let key = row.expected.clone().unwrap_or_else(|| "none".to_owned());
            by_rule.entry(key).or_default().push(row);
        }
        let all = || by_rule.values().flatten();
        let wrong = || by_rule.iter().filter(|(rule, _)| *rule != "none");
        let covered: BTreeSet<&str> = by_rule.keys().map(String::as_str).collect();
        let uncovered = RULES
            .iter()
            .filter(|rule| !covered.contains(rule.id))
            .map(|rule| Uncovered {
                rule: rule.id,
                why: crate::uncovered::why(rule.id),
            })
            .collect();
        Self {
            ok: all().all(|row| row.ok),
            rules: wrong().count(),
            caught: wrong()
                .filter(|(_, rows)| rows.iter().all(Row::is_caught))
                .count(),
            clean: by_rule
                .get("none")
                .into_iter()
                .flatten()
                .filter(|row| row.ok)
                .count(),
            false_alarms: all().map(|row| row.false_alarms.len()).sum(),
            failures: all().filter(|row| row.failure.is_some()).count(),
            rules_of_the_lab: RULES.len(),
            seconds: took.as_secs_f64(),
            uncovered,
            rows: by_rule,
        }
    }

    /// The table that a person reads.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = String::new();
        for row in self.rows.values().flatten() {
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "{} {:<44} {:<5} {}",
                if row.ok { "ok    " } else { "FAILED" },
                row.driver,
                row.language,
                row.call
                    .as_deref()
                    .unwrap_or(if row.expected.is_none() { "clean" } else { "-" })
            );
            if let Some(line) = &row.line {
                let _ = writeln!(text, "{:15}at {line}", "");
            }
            if row.ok {
                continue;
            }
            if let Some(failure) = &row.failure {
                let _ = writeln!(text, "{:15}{failure}", "");
            }
            let _ = writeln!(
                text,
                "{:15}expected {}, reported: {}{}",
                "",
                row.expected.as_deref().unwrap_or("nothing"),
                if row.reported.is_empty() {
                    "nothing".to_owned()
                } else {
                    row.reported.join(", ")
                },
                row.detail
                    .as_ref()
                    .map_or_else(String::new, |detail| format!(" ({detail})"))
            );
        }
        for rule in &self.uncovered {
            let _ = writeln!(text, "no driver for {}: {}", rule.rule, rule.why);
        }
        let right = self.rows.get("none").map_or(0, Vec::len);
        let _ = writeln!(
            text,
            "{} of {} rules caught, {} of {right} right drivers clean, {} false alarm(s), {:.1} s",
            self.caught, self.rules, self.clean, self.false_alarms, self.seconds
        );
        text
    }
}
