//! The guide's page of the rules: docs/guide/rules.md, from the lab's table and the labels.

use std::fmt::Write as _;

use portlab::model::rules::{RULES, Severity, Tier};

use crate::{label::Label, uncovered};

const HEAD: &str = "\
# The rules

What the lab holds a miniport to. Each breach is reported under the id below, with the call, the processor, the IRQL, the locks
held and a back-trace. This page is written by `./x zoo`, from the lab's table of rules and the labels of the drivers in
`tests/zoo` that break them.

A *violation* fails a run; a *warning* looks wrong but depends on judgement or on the host's speed. The evidence says where the rule
itself is written down: the *documentation* of Microsoft, a real *kit*'s header, a published *sample*, or *inferred*: the lab's own
caution. How the lab decides that a rule was broken is the lab's.

`./x zoo` shows that each of these is noticed. That is all it shows: a driver that breaks none of them here may still break
one on Windows, in a life that nobody led here.
";

fn tier(tier: Tier) -> &'static str {
    match tier {
        Tier::Kit => "kit",
        Tier::Documentation => "documentation",
        Tier::Sample => "sample",
        Tier::Inferred => "inferred",
    }
}

/// The page.
#[must_use]
pub fn page(labels: &[Label]) -> String {
    let mut text = HEAD.to_owned();
    for rule in RULES {
        let severity = match rule.severity {
            Severity::Violation => "violation",
            Severity::Warning => "warning",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "\n## {}\n\n{}\n\n*{severity}, {}*",
            rule.id,
            rule.sentence,
            tier(rule.tier)
        );
        let breaks = |label: &&Label| label.rule.is_some_and(|broken| broken.id == rule.id);
        let named = labels.iter().filter(breaks).find(|label| label.name == rule.id);
        if let Some(label) = named.or_else(|| labels.iter().find(breaks)) {
            let _ = writeln!(text, "\n{}", label.source_of_rule);
        }
        if labels.iter().any(|label| breaks(&label)) {
            text.push_str("\nDrivers that break it:\n\n");
            for label in labels.iter().filter(breaks) {
                let _ = writeln!(text, "- `{}` ({}): {}", label.name, label.language, label.what);
            }
        } else {
            let _ = writeln!(
                text,
                "\nNo driver of the zoo breaks it: {}.",
                uncovered::why(rule.id)
            );
        }
    }
    text.push_str("\n# Odd, and right\n\nDrivers of the zoo of which nothing may be reported:\n\n");
    for label in labels.iter().filter(|label| label.rule.is_none()) {
        let _ = writeln!(text, "- `{}` ({}): {}", label.name, label.language, label.what);
    }
    text
}
