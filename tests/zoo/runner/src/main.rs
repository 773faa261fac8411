//! `zoo-keeper`: does the lab catch each wrong driver, and leave the right ones alone?

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use clap::Parser;
use serde::Serialize;
use zoo_keeper::{label::Label, page, report::Report, round::Round, visit};

/// Runs every driver of the zoo in the lab and compares what is reported with what its label says.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit status:\n  0  all wrong drivers caught under their rules, nothing else reported\n  1  one was missed, \
                  or a right one reported\n  2  nothing could be run"
)]
struct Arguments {
    /// Only drivers whose names contain one of these
    names: Vec<String>,
    /// The folder of the drivers
    #[arg(long, value_name = "FOLDER", default_value = "target/zoo")]
    drivers: PathBuf,
    /// The folders of their sources, which hold their labels
    #[arg(long, value_name = "FOLDER", default_values_os_t = [PathBuf::from("tests/zoo/src/bin"), PathBuf::from("tests/zoo/c")])]
    sources: Vec<PathBuf>,
    /// The report; written for a whole round only
    #[arg(long, value_name = "FILE", default_value = "target/reports/zoo.json")]
    json: PathBuf,
    /// The guide's page of the rules; written for a whole round, if it is given
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    /// Let the lab not judge a rule, to see rows fail
    #[arg(long, value_name = "RULE")]
    without: Option<String>,
    /// Look at the one driver whose source this is, and print what was seen as JSON
    #[arg(long, value_name = "FILE", requires = "driver", hide = true)]
    visit: Option<PathBuf>,
    /// The driver to look at
    #[arg(long, value_name = "FILE", hide = true)]
    driver: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match (&arguments.visit, &arguments.driver) {
        (Some(source), Some(driver)) => look(source, driver, arguments.without.as_deref()).map(|()| true),
        _ => walk(&arguments),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("zoo-keeper: {error}");
            ExitCode::from(2)
        }
    }
}

fn look(source: &Path, driver: &Path, without: Option<&str>) -> Result<(), Box<dyn Error>> {
    let label = Label::read(source)?;
    let seen = visit::visit(&label, driver, without).unwrap_or_else(|error| visit::Seen {
        breaches: Vec::new(),
        failure: Some(error.to_string()),
    });
    println!("{}", serde_json::to_string(&seen)?);
    Ok(())
}

fn walk(arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
    let began = Instant::now();
    let folders: Vec<PathBuf> = arguments
        .sources
        .iter()
        .filter(|folder| folder.is_dir())
        .cloned()
        .collect();
    let mut labels = Label::read_all(&folders)?;
    let whole = arguments.names.is_empty() && arguments.without.is_none();
    if !arguments.names.is_empty() {
        labels.retain(|label| arguments.names.iter().any(|name| label.name.contains(name)));
    }
    if labels.is_empty() {
        return Err("there are no such drivers".into());
    }
    let keeper = std::env::current_exe()?;
    let round = Round {
        keeper: &keeper,
        drivers: &arguments.drivers,
        without: arguments.without.as_deref(),
    };
    let report = Report::new(round.walk(&labels), began.elapsed());
    print!("{}", report.table());
    if whole {
        write(&arguments.json, &report)?;
        println!("{}", arguments.json.display());
        if let Some(path) = &arguments.page {
            fs::write(path, page::page(&labels))?;
            println!("{}", path.display());
        }
    }
    Ok(report.ok)
}

fn write(path: &Path, report: &impl Serialize) -> Result<(), Box<dyn Error>> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut text = serde_json::to_string_pretty(report)?;
    text.push('\n');
    fs::write(path, text)?;
    Ok(())
}
