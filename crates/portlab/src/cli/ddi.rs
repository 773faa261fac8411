//! `portlab ddi`: what the lab knows of the Storport DDI.

use std::{fmt::Write as _, io::Write as _};

use clap::Args;
use portlab::model::{
    ddi::{self, DDI, Entry},
    documented::{DOCUMENTED, Documented, Modelled},
    kernel_table::KERNEL,
    rules::{RULES, Rule, Tier},
};
use serde::Serialize;

use super::{exit::Exit, run::refuse};

/// Prints what the lab models of the Storport DDI: each function with its IRQL, the codes that it answers and the rules that it
/// holds its caller to; each documented rule with what the lab makes of it; each rule with its sentence
#[derive(Debug, Args)]
pub(super) struct Ddi {
    /// As JSON
    #[arg(long)]
    json: bool,
    /// The documented rules alone, as the guide's page "What the lab judges"
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
}

/// A function.
#[expect(clippy::struct_field_names, reason = "the names of the JSON")]
#[derive(Debug, Serialize)]
struct Function {
    function: String,
    area: &'static str,
    reached: String,
    irql: &'static str,
    tier: Tier,
    implemented: bool,
    /// Whether arguments are judged.
    argument_checks: bool,
    codes: Vec<&'static str>,
    rules: Vec<&'static str>,
}

/// The report.
#[derive(Debug, Serialize)]
struct Coverage {
    functions: Vec<Function>,
    kernel: Vec<KernelRow>,
    documented: &'static [Documented],
    rules: Vec<RuleRow>,
}

/// A function of the kernel.
#[derive(Debug, Serialize)]
struct KernelRow {
    function: &'static str,
    module: &'static str,
    area: &'static str,
    irql: &'static str,
}

#[derive(Debug, Serialize)]
struct RuleRow {
    #[serde(flatten)]
    rule: Shown,
    functions: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Shown {
    id: &'static str,
    tier: Tier,
    severity: portlab::model::rules::Severity,
    sentence: &'static str,
}

impl From<&'static Rule> for Shown {
    fn from(rule: &'static Rule) -> Self {
        Self {
            id: rule.id,
            tier: rule.tier,
            severity: rule.severity,
            sentence: rule.sentence,
        }
    }
}

fn words(text: &'static str) -> Vec<&'static str> {
    text.split_whitespace().collect()
}

fn functions() -> Vec<Function> {
    DDI.iter()
        .map(|ddi| {
            let answers = ddi::answers(ddi.name);
            let rules = answers.map(|answers| words(answers.rules)).unwrap_or_default();
            Function {
                function: format!("StorPort{}", ddi.name),
                area: ddi.area,
                reached: match ddi.entry {
                    Entry::Extended(code) => format!("extended function {code}"),
                    Entry::Notification(code) => format!("notification {code:#x}"),
                    Entry::Export(_) => String::from("export"),
                    Entry::Inline => String::from("inline, nothing to answer"),
                },
                irql: ddi.irql,
                tier: ddi.tier,
                implemented: ddi.modelled,
                argument_checks: rules
                    .iter()
                    .any(|rule| matches!(*rule, "bad-parameter" | "wrong-device-extension" | "stale-handle")),
                codes: answers.map(|answers| words(answers.codes)).unwrap_or_default(),
                rules,
            }
        })
        .collect()
}

fn kernel() -> Vec<KernelRow> {
    KERNEL
        .iter()
        .map(|function| KernelRow {
            function: function.export.name(),
            module: function.export.module(),
            area: function.area,
            irql: function.limit.text(),
        })
        .collect()
}

impl Ddi {
    /// Prints.
    pub(super) fn run(self) -> Exit {
        let functions = functions();
        let rules = RULES.iter().map(|rule| RuleRow {
            rule: Shown::from(*rule),
            functions: functions
                .iter()
                .filter(|function| function.rules.contains(&rule.id))
                .map(|function| function.function.clone())
                .collect(),
        });
        let coverage = Coverage {
            rules: rules.collect(),
            documented: DOCUMENTED,
            kernel: kernel(),
            functions,
        };
        let text = if self.json {
            match serde_json::to_string_pretty(&coverage) {
                Ok(text) => text + "\n",
                Err(error) => return refuse(&error),
            }
        } else {
            page(&coverage, self.markdown)
        };
        // Who closed the pipe has read enough.
        let _ = std::io::stdout().write_all(text.as_bytes());
        Exit::Success
    }
}

/// What the guide's page begins with.
const INTRODUCTION: &str = "# What the lab judges

What the documentation asks of a miniport and promises it, in our own words, and what the lab makes of each: a breach is reported
under a rule's id; what Windows does the lab plays; what it does not model is said with the reason. `portlab ddi` prints these
tables and the one of all functions with their IRQLs, codes and rules (`--json` for programs); this page is what
`portlab ddi --markdown` prints, and a test compares them. [The DDI, function by function](ddi.md) has the functions, [The rules](rules.md) the rules.

Passing means: the driver breaks no documented rule that is modelled. It says nothing of Driver Verifier.

";

/// A table with columns for a terminal.
fn columns(title: &str, headings: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut widths: Vec<usize> = headings.iter().map(|heading| heading.len()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = format!("{title}\n\n");
    let head = headings.iter().map(|heading| (*heading).to_owned()).collect();
    for row in std::iter::once(head).chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a String cannot fail.
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text + "\n"
}

/// A table in Markdown.
fn markdown(title: &str, headings: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut text = format!("## {title}\n\n| {} |\n|", headings.join(" | "));
    text.push_str(&" --- |".repeat(headings.len()));
    for row in rows {
        let cells: Vec<_> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        let _ = write!(text, "\n| {} |", cells.join(" | "));
    }
    text + "\n\n"
}

/// The tables: for a terminal, or the guide's.
fn page(coverage: &Coverage, for_guide: bool) -> String {
    let table = if for_guide { markdown } else { columns };
    let documented = table(
        "Documented rules, and what the lab makes of them",
        &["topic", "page", "rule", "in the lab"],
        coverage.documented.iter().map(documented_row).collect(),
    );
    if for_guide {
        return [INTRODUCTION, documented.trim_end(), "\n"].concat();
    }
    let rules = columns(
        "Rules",
        &["id", "tier", "severity", "what it demands"],
        coverage.rules.iter().map(rule_row).collect(),
    );
    let functions = table(
        "Functions",
        &[
            "function",
            "implemented",
            "IRQL",
            "tier",
            "argument checks",
            "codes",
            "rules",
        ],
        coverage.functions.iter().map(function_row).collect(),
    );
    let kernel = columns(
        "The kernel's functions",
        &["function", "module", "area", "IRQL"],
        coverage.kernel.iter().map(kernel_row).collect(),
    );
    functions + &kernel + &documented + &rules
}

fn yes(value: bool) -> String {
    String::from(if value { "yes" } else { "no" })
}

fn function_row(function: &Function) -> Vec<String> {
    vec![
        function.function.clone(),
        yes(function.implemented),
        function.irql.to_owned(),
        tier(function.tier).to_owned(),
        yes(function.argument_checks),
        function.codes.join(", "),
        function.rules.join(", "),
    ]
}

fn kernel_row(row: &KernelRow) -> Vec<String> {
    [row.function, row.module, row.area, row.irql]
        .map(str::to_owned)
        .to_vec()
}

fn documented_row(row: &Documented) -> Vec<String> {
    let modelled = match row.modelled {
        Modelled::Rules(ids) => ids.join(", "),
        Modelled::Played(how) => format!("played: {how}"),
        Modelled::Not(why) => format!("not modelled: {why}"),
    };
    vec![
        row.topic.to_owned(),
        row.source.to_owned(),
        row.sentence.to_owned(),
        modelled,
    ]
}

fn rule_row(row: &RuleRow) -> Vec<String> {
    vec![
        row.rule.id.to_owned(),
        tier(row.rule.tier).to_owned(),
        format!("{:?}", row.rule.severity).to_lowercase(),
        row.rule.sentence.to_owned(),
    ]
}

const fn tier(tier: Tier) -> &'static str {
    match tier {
        Tier::Kit => "K",
        Tier::Documentation => "D",
        Tier::Sample => "S",
        Tier::Inferred => "I",
    }
}
