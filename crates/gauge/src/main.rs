//! The command line.

use std::{
    error::Error,
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use gauge::{
    audit::Audit,
    cost::{self, Comparison, Report},
    occurrence::Kind,
};
use serde::Serialize;

/// Measures the project against its own promises.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit status:\n  0  all is well\n  1  a promise is not kept\n  2  nothing could be measured"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Counts `unsafe` by package, and fails where there may be none or where it does not say why it is sound
    Audit {
        /// Root of the project
        #[arg(long, value_name = "DIR", default_value = ".")]
        root: PathBuf,
        /// Where the report goes
        #[arg(long, value_name = "FILE", default_value = "target/reports/audit.json")]
        json: PathBuf,
    },
    /// Compares the instructions of a driver with those of its twin
    Cost {
        /// Report of `portlab count` on the safe driver
        #[arg(long, value_name = "FILE")]
        safe: PathBuf,
        /// Report of `portlab count` on the twin
        #[arg(long, value_name = "FILE")]
        twin: PathBuf,
        /// Where the report goes
        #[arg(long, value_name = "FILE", default_value = "target/reports/cost.json")]
        json: PathBuf,
        /// Functions to list for each callback
        #[arg(long, default_value_t = 12)]
        functions: usize,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Audit { root, json } => audit(&root, &json),
        Command::Cost {
            safe,
            twin,
            json,
            functions,
        } => cost(&safe, &twin, &json, functions),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("gauge: {error}");
            ExitCode::from(2)
        }
    }
}

fn audit(root: &Path, json: &Path) -> Result<bool, Box<dyn Error>> {
    let audit = Audit::of(root)?;
    write(json, &audit)?;
    print_audit(&audit);
    for finding in &audit.findings {
        eprintln!("{finding}");
    }
    println!(
        "{} unsafe where there may be none, {} without a reason",
        audit.forbidden_unsafe, audit.undocumented_unsafe
    );
    Ok(audit.is_clean())
}

fn print_audit(audit: &Audit) {
    let heading: Vec<String> = Kind::ALL
        .iter()
        .map(|kind| format!("{:>9}", heading(*kind)))
        .collect();
    println!("{:<22}{}{:>9}", "unsafe", heading.concat(), "all");
    for (package, all) in &audit.by_package {
        let kinds = audit.kinds.get(package);
        let counts: Vec<String> = Kind::ALL
            .iter()
            .map(|kind| kinds.and_then(|kinds| kinds.get(kind)).copied().unwrap_or(0))
            .map(|count| format!("{count:>9}"))
            .collect();
        let note = if audit.exempt.contains_key(package) {
            "  exempt"
        } else {
            ""
        };
        println!("{package:<22}{}{all:>9}{note}", counts.concat());
    }
}

const fn heading(kind: Kind) -> &'static str {
    match kind {
        Kind::Block => "blocks",
        Kind::Function => "fns",
        Kind::Implementation => "impls",
        Kind::Trait => "traits",
        Kind::ExternBlock => "externs",
        Kind::ForeignItem => "foreign",
        Kind::Attribute => "attrs",
        Kind::FunctionType => "fn types",
        Kind::Other => "other",
    }
}

fn cost(safe: &Path, twin: &Path, json: &Path, functions: usize) -> Result<bool, Box<dyn Error>> {
    let comparison = cost::compare(&Report::read(safe)?, &Report::read(twin)?)?;
    write(json, &comparison)?;
    print_cost(&comparison, functions);
    if !comparison.repeats {
        eprintln!("gauge: a callback did not take the same number of instructions in every run");
    }
    Ok(comparison.repeats)
}

fn print_cost(comparison: &Comparison, functions: usize) {
    for (workload, callbacks) in &comparison.workloads {
        println!("{workload}, a request");
        println!(
            "  {:<11}{:>7}{:>7}{:>12}{:>12}{:>17}",
            "", "safe", "twin", "difference", "port calls", "register writes"
        );
        for (callback, difference) in callbacks {
            let [calls, their_calls] = difference
                .port_calls
                .values()
                .fold([0.0, 0.0], |[a, b], [c, d]| [a + c, b + d]);
            let [writes, their_writes] = difference.register_writes;
            println!(
                "  {callback:<11}{:>7}{:>7}{:>12}{:>12}{:>17}",
                difference.safe,
                difference.twin,
                difference.difference,
                format!("{calls} / {their_calls}"),
                format!("{writes} / {their_writes}")
            );
        }
        let sum = |figure: fn(&cost::Difference) -> f64| callbacks.values().map(figure).sum::<f64>();
        println!(
            "  {:<11}{:>7}{:>7}{:>12}",
            "all",
            sum(|difference| difference.safe),
            sum(|difference| difference.twin),
            sum(|difference| difference.difference)
        );
        for (callback, difference) in callbacks {
            println!("  {callback}: where they differ");
            for function in difference.functions.iter().take(functions) {
                println!(
                    "    {:>6} {:>6}  {}",
                    function.safe, function.twin, function.function
                );
            }
        }
    }
}

fn write(path: &Path, report: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_string_pretty(report)?;
    text.push('\n');
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(path, text)
}
