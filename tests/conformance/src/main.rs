//! `conformance`: what do other people's tests say of the driver that the lab serves?

mod child;
mod decodings;
mod filesystems;
mod fio;
mod libiscsi;
mod report;
mod served;
mod speed;
mod tables;
mod windows;

use std::{
    error::Error,
    fs,
    io::{IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use clap::{Parser, ValueEnum};

use crate::{
    report::{Mutation, Report, Row},
    served::{Bench, Served, ServedError},
    tables::{Permits, Skips},
    windows::Nature,
};

/// A suite
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Suite {
    /// The disk class driver's start-up commands
    Startup,
    /// Storage property queries
    Properties,
    /// Answers decoded by `sg3_utils`
    Decodings,
    /// libiscsi's iscsi-test-cu, over iSCSI
    Libiscsi,
    /// fio's verified jobs, over NBD
    Fio,
    /// ext4 and NTFS, over NBD
    Filesystems,
    /// Builds with a deliberate mistake: each must turn a row red
    Mutations,
    /// Throughput through iSCSI, against tgt's
    Speed,
}

/// Lets other people's tests judge the driver, served by the lab
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit status:\n  0  nothing failed\n  1  a test failed without permission, a rule was broken, or a mistake was \
                  not noticed\n  2  nothing could be run"
)]
struct Arguments {
    /// The driver
    #[arg(long, value_name = "FILE", default_value = "target/package/ferronvme.sys")]
    driver: PathBuf,
    /// The lab
    #[arg(long, value_name = "FILE", default_value = "target/lab/portlab")]
    portlab: PathBuf,
    /// Only this suite; may be given several times
    #[arg(long, value_name = "SUITE")]
    only: Vec<Suite>,
    /// Only devices whose names contain this
    #[arg(long, value_name = "TEXT", default_value = "")]
    device: String,
    /// Only iSCSI tests whose names contain this
    #[arg(long, value_name = "TEXT", default_value = "")]
    test: String,
    /// The thin disks of 512-byte blocks, a quarter of fio's jobs, no speed: a few minutes
    #[arg(long)]
    quick: bool,
    /// A build with a deliberate mistake; may be given several times
    #[arg(long, value_name = "NAME=FILE")]
    broken: Vec<String>,
    /// The report; written for a whole round only, or where this is given
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// A device to judge the driver on.
struct Subject {
    name: &'static str,
    device: &'static str,
    nature: Nature,
}

const fn subject(name: &'static str, device: &'static str, block: u32, thin: bool, says_so: bool) -> Subject {
    Subject {
        name,
        device,
        nature: Nature { block, thin, says_so },
    }
}

/// The first of a kind comes first: it is what `--quick` takes.
const SUBJECTS: &[Subject] = &[
    subject("qemu thin 512", "qemu:nvme,size=256M", 512, true, false),
    subject("lab thin 512", "lab:nvme,size=256M", 512, true, true),
    subject("lab thick 512", "lab:nvme,size=256M,thin=off", 512, false, false),
    subject(
        "qemu thin 4096",
        "qemu:nvme,size=256M,block=4096",
        4096,
        true,
        false,
    ),
    subject("lab thin 4096", "lab:nvme,size=256M,block=4096", 4096, true, true),
];

fn main() -> ExitCode {
    match judge(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("conformance: {error}");
            ExitCode::from(2)
        }
    }
}

/// Tells what runs, on one line of a terminal.
fn tell(row: &Row, what: &str) {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K{} on {}: {what}", row.suite, row.device);
        let _ = std::io::stderr().flush();
    }
}

/// What the rows need.
struct Round<'a> {
    arguments: &'a Arguments,
    tests: Vec<String>,
    permits: Permits,
    skips: Skips,
}

fn judge(arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
    let began = Instant::now();
    for file in [&arguments.driver, &arguments.portlab] {
        if !file.is_file() {
            return Err(format!("{}: no such file; ./x conformance makes it", file.display()).into());
        }
    }
    let round = Round {
        arguments,
        tests: libiscsi::tests()?
            .into_iter()
            .filter(|test| test.contains(&arguments.test))
            .collect(),
        permits: Permits::read()?,
        skips: Skips::read()?,
    };
    if round.tests.is_empty() {
        return Err("iscsi-test-cu lists no such tests".into());
    }
    let mut report = Report {
        driver: arguments.driver.display().to_string(),
        ..Report::default()
    };
    for subject in round.subjects() {
        let bench = round.bench(subject, &arguments.driver);
        for suite in round.suites() {
            report.rows.push(round.row(suite, subject, &bench));
        }
    }
    if round.wants(Suite::Mutations) && !arguments.broken.is_empty() {
        for broken in &arguments.broken {
            let (name, file) = broken.split_once('=').ok_or("give NAME=FILE")?;
            report.mutations.push(round.mutation(name, Path::new(file)));
        }
        report.mutations_caught = Some(report.mutations.iter().filter(|mutation| mutation.caught).count());
    }
    if round.wants(Suite::Speed) && !arguments.quick {
        let row = Row::new("speed", "qemu thin 512");
        let bench = round.bench(&SUBJECTS[0], &arguments.driver);
        let speed = speed::measure(&bench, &|what| tell(&row, what))?;
        report.iscsi_ratio_to_tgt = Some(speed.ratio);
        report.speed = Some(speed);
    }
    let missed = report.mutations.iter().any(|mutation| !mutation.caught);
    report.ok = !missed && !report.rows.iter().any(Row::is_red);
    report.seconds = began.elapsed().as_secs();
    print!("{}", report.table());
    let whole = arguments.only.is_empty()
        && arguments.device.is_empty()
        && arguments.test.is_empty()
        && !arguments.quick;
    let path = arguments
        .json
        .clone()
        .or_else(|| whole.then(|| PathBuf::from("target/reports/conformance.json")));
    if let Some(path) = path {
        write(&path, &report)?;
        println!("{}", path.display());
    }
    Ok(report.ok)
}

impl Round<'_> {
    fn wants(&self, suite: Suite) -> bool {
        self.arguments.only.is_empty() || self.arguments.only.contains(&suite)
    }

    fn suites(&self) -> impl Iterator<Item = Suite> {
        use Suite::{Decodings, Filesystems, Fio, Libiscsi, Properties, Startup};
        [Startup, Properties, Decodings, Libiscsi, Fio, Filesystems]
            .into_iter()
            .filter(|suite| self.wants(*suite))
    }

    fn subjects(&self) -> impl Iterator<Item = &'static Subject> {
        let arguments = self.arguments;
        let quick = |subject: &&Subject| !arguments.quick || subject.name.ends_with("thin 512");
        SUBJECTS
            .iter()
            .filter(quick)
            .filter(|subject| subject.name.contains(&arguments.device))
    }

    fn bench(&self, subject: &Subject, driver: &Path) -> Bench {
        Bench {
            portlab: self.arguments.portlab.clone(),
            driver: driver.to_owned(),
            device: subject.device.to_owned(),
        }
    }

    /// One suite on one device. What hinders it makes the row red.
    fn row(&self, suite: Suite, subject: &Subject, bench: &Bench) -> Row {
        let began = Instant::now();
        let name = match suite {
            Suite::Startup => "startup",
            Suite::Properties => "properties",
            Suite::Decodings => "decodings",
            Suite::Libiscsi => "libiscsi",
            Suite::Fio => "fio",
            Suite::Filesystems => "filesystems",
            Suite::Mutations => "mutations",
            Suite::Speed => "speed",
        };
        let mut row = Row::new(name, subject.name);
        tell(&row, "starts");
        if let Err(error) = self.fill(suite, subject.nature, bench, &mut row) {
            row.fail("the suite itself", error.to_string());
        }
        row.seconds = began.elapsed().as_secs();
        if std::io::stderr().is_terminal() {
            eprint!("\r\x1b[K");
        }
        eprintln!(
            "{name} on {}: {} ran and passed, {} skipped, {} permitted, {} failed, {} violations, {} s",
            subject.name,
            row.ran_passed,
            row.skipped.len(),
            row.permitted.len(),
            row.failed,
            row.violations,
            row.seconds
        );
        row
    }

    fn fill(&self, suite: Suite, nature: Nature, bench: &Bench, row: &mut Row) -> Result<(), ServedError> {
        // The row is borrowed while it is filled: what is told goes by a copy of its name.
        let title = Row::new(row.suite, row.device);
        let say = |what: &str| tell(&title, what);
        match suite {
            Suite::Startup | Suite::Properties => {
                let report = windows::ask(bench)?;
                row.violations =
                    usize::try_from(report["violations"].as_u64().unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
                if suite == Suite::Startup {
                    windows::startup(&report, row);
                } else {
                    windows::properties(&report, nature, row);
                }
            }
            Suite::Decodings => decodings::judge(bench, nature, row)?,
            Suite::Libiscsi => {
                let served = Served::start(bench, "iscsi")?;
                let url = served.iscsi_url();
                let judged = libiscsi::judge(&url, &self.tests, &self.permits, &self.skips, row, &say);
                row.violations = served.end()?;
                judged?;
            }
            Suite::Fio => {
                let served = Served::start(bench, "nbd")?;
                let uri = served.nbd_uri().to_owned();
                let judged = fio::judge(&uri, nature.block, nature.thin, self.arguments.quick, row, &say);
                row.violations = served.end()?;
                judged?;
            }
            Suite::Filesystems => {
                let served = Served::start(bench, "nbd")?;
                let uri = served.nbd_uri().to_owned();
                let judged = filesystems::judge(&uri, served.folder(), nature.block, row, &say);
                row.violations = served.end()?;
                judged?;
            }
            Suite::Mutations | Suite::Speed => {}
        }
        Ok(())
    }

    /// Runs a build with a mistake through the suites of the translation, on a device on which the right one is green.
    fn mutation(&self, name: &str, driver: &Path) -> Mutation {
        let mut by = Vec::new();
        if let Some(subject) = SUBJECTS.iter().find(|subject| subject.name == "lab thin 512") {
            let bench = self.bench(subject, driver);
            for suite in [Suite::Startup, Suite::Decodings, Suite::Libiscsi] {
                let row = self.row(suite, subject, &bench);
                // A row that could not be run says nothing about the mistake.
                let first = row
                    .failures
                    .iter()
                    .find(|failure| failure.test != "the suite itself");
                if let Some(failure) = first {
                    by.push(format!("{}: {}: {}", row.suite, failure.test, failure.what));
                }
            }
        }
        Mutation {
            name: name.to_owned(),
            caught: !by.is_empty(),
            by,
        }
    }
}

fn write(path: &Path, report: &Report) -> Result<(), Box<dyn Error>> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut text = serde_json::to_string_pretty(report)?;
    text.push('\n');
    fs::write(path, text)?;
    Ok(())
}
