//! `ddi-codes`: does the lab answer the work-item, timer and DPC calls as their pages say?

use std::{fs, path::PathBuf, process::ExitCode, time::Instant};

use clap::Parser;
use ddi_codes::{
    mutations::{self, Wrong},
    observe_mutant, observe_rows,
    report::Report,
};
use indicatif::{ProgressBar, ProgressStyle};

/// Runs the probe miniport in the lab: provokes every documented return code of the work-item, timer and DPC calls and
/// compares; then makes the lab wrong, one answer at a time, and looks whether the comparison notices.
///
/// It proves that the lab and the crate storport agree on these codes, no more: both are made from the same pages.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit status:\n  0  all rows as documented, all mutations caught\n  1  a row is wrong, or a mutation \
                  was not noticed\n  2  nothing could be run"
)]
struct Arguments {
    /// The probe
    #[arg(long, value_name = "FILE", default_value = "target/driver/probe/probe.sys")]
    driver: PathBuf,
    /// The report
    #[arg(long, value_name = "FILE", default_value = "target/reports/ddi.json")]
    json: PathBuf,
    /// Leave the mutations out
    #[arg(long)]
    rows_only: bool,
    /// Let the lab answer wrongly all the time, to see rows fail: `CALL:RIGHT=WRONG`, for example
    /// `StorPortQueueWorkItem:STOR_STATUS_BUSY=STOR_STATUS_SUCCESS`
    #[arg(long, value_name = "CALL:RIGHT=WRONG")]
    wrong: Option<Wrong>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("ddi-codes: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool, Box<dyn std::error::Error>> {
    let begin = Instant::now();
    let rows = observe_rows(&arguments.driver, arguments.wrong.as_ref().map(|wrong| &wrong.0))?;
    let mutants = if arguments.rows_only || arguments.wrong.is_some() {
        Vec::new()
    } else {
        mutations::all()
    };
    let bar = ProgressBar::new(mutants.len() as u64).with_style(ProgressStyle::with_template(
        "mutations [{wide_bar}] {pos}/{len} {msg}",
    )?);
    let mut results = Vec::new();
    for mutant in &mutants {
        bar.set_message(mutant.row.function.name());
        results.push(observe_mutant(&arguments.driver, mutant)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let report = Report::new(
        arguments.driver.clone(),
        rows,
        results,
        begin.elapsed().as_secs_f64(),
    );
    print!("{}", report.table());
    if let Some(directory) = arguments.json.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut text = serde_json::to_string_pretty(&report)?;
    text.push('\n');
    fs::write(&arguments.json, text).map_err(|error| format!("{}: {error}", arguments.json.display()))?;
    Ok(report.ok)
}
