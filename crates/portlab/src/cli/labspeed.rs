//! `portlab labspeed`: how fast the lab itself is, with all checks on.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use clap::Args;
use portlab::{
    device::spec::DeviceSpec,
    model::{AdapterParameters, Address, Direction, EngineKind, Request},
    package::parameters,
    workload::{
        cdb::{self, Form},
        progress::Silent,
        read_loop::{self, Plan},
    },
};
use serde::{Deserialize, Serialize};

use super::{
    bench::{Bench, BenchError, Setup},
    exit::Exit,
    report,
    run::refuse,
};

/// Bytes of a read.
const LENGTH: u32 = 4096;
/// Bytes that are read, over and over.
const AREA: u64 = 16 << 20;

/// Measures the lab itself: how many 4 KiB reads a second go through a driver on one virtual processor with all checks on, and how
/// long it takes from the start of the process until the first read has ended
///
/// Each run is a process of its own. The figures are medians; the best ones are told beside them.
#[derive(Debug, Args)]
pub(super) struct LabSpeed {
    /// The driver
    #[arg(value_name = "DRIVER.sys")]
    driver: PathBuf,
    /// The INF whose registry values Storport reads [default: the one beside the driver with its name]
    #[arg(long, value_name = "FILE")]
    inf: Option<PathBuf>,
    /// The device; see `portlab run --help`
    #[arg(long, default_value = "lab:nvme,size=64M")]
    device: DeviceSpec,
    /// Virtual processors
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    processors: u32,
    /// Reads at a time
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1024))]
    depth: u32,
    /// Milliseconds of reading in each run
    #[arg(long, default_value_t = 1500)]
    milliseconds: u64,
    /// Runs
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=99))]
    runs: u32,
    /// Fail below so many reads a second in the best run, since noise only slows; 0 only measures
    #[arg(long, default_value_t = 0)]
    least: u64,
    /// Fail above so many milliseconds of start-up in the best run
    #[arg(long, default_value_t = u64::MAX)]
    longest: u64,
    /// Write a report
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// One run: what the processes are started with
    #[arg(long, hide = true)]
    once: bool,
}

/// What a run tells at its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Once {
    reads: u64,
    seconds: f64,
    reads_per_second: f64,
    violations: Vec<String>,
    warnings: usize,
    clean_removal: bool,
}

/// What a run tells when its first read has ended.
const FIRST_READ: &str = "first read";

/// The report.
#[derive(Debug, Serialize)]
struct SpeedReport {
    driver: PathBuf,
    device: String,
    engine: &'static str,
    processors: u32,
    depth: u32,
    read_bytes: u32,
    /// The lab's own build.
    debug_assertions: bool,
    runs: usize,
    /// Medians.
    reads_per_second: f64,
    startup_ms: f64,
    reads_per_second_best: f64,
    startup_ms_best: f64,
    reads_per_second_all: Vec<f64>,
    startup_ms_all: Vec<f64>,
    startup_is: &'static str,
    violations: Vec<String>,
    ok: bool,
}

/// Why a run told nothing.
#[derive(Debug, thiserror::Error)]
enum SpeedError {
    #[error("a run cannot be started: {0}")]
    Start(#[from] std::io::Error),
    #[error("a run ended with {0} before it told its figures")]
    Silent(std::process::ExitStatus),
    #[error("a run told what makes no sense: {0}")]
    Told(#[from] serde_json::Error),
}

impl LabSpeed {
    /// Measures.
    pub(super) fn run(self) -> Exit {
        if self.once {
            return self.measure_once();
        }
        let mut starts = Vec::new();
        let mut runs = Vec::new();
        for _ in 0..self.runs {
            match Self::in_process() {
                Ok((start, once)) => {
                    println!(
                        "{:>9.0} reads/s, first read after {:>5.0} ms, {} violation(s)",
                        once.reads_per_second,
                        milliseconds(start),
                        once.violations.len()
                    );
                    starts.push(milliseconds(start));
                    runs.push(once);
                }
                Err(error) => return refuse(&error),
            }
        }
        self.conclude(&starts, &runs)
    }

    /// One run in a process of its own: until its first read ended, and what it told.
    fn in_process() -> Result<(Duration, Once), SpeedError> {
        let program = std::env::current_exe()?;
        let began = Instant::now();
        let mut child: Child = Command::new(program)
            .args(std::env::args_os().skip(1))
            .arg("--once")
            .stdout(Stdio::piped())
            .spawn()?;
        let mut told = BufReader::new(
            child
                .stdout
                .take()
                .ok_or(std::io::Error::from(std::io::ErrorKind::BrokenPipe))?,
        );
        let mut line = String::new();
        told.read_line(&mut line)?;
        let first = began.elapsed();
        let mut figures = String::new();
        told.read_line(&mut figures)?;
        let status = child.wait()?;
        if line.trim() != FIRST_READ || figures.is_empty() {
            return Err(SpeedError::Silent(status));
        }
        Ok((first, serde_json::from_str(&figures)?))
    }

    fn conclude(self, starts: &[f64], runs: &[Once]) -> Exit {
        let rates: Vec<f64> = runs.iter().map(|once| once.reads_per_second).collect();
        let mut violations: Vec<String> = runs.iter().flat_map(|once| once.violations.clone()).collect();
        violations.sort();
        violations.dedup();
        let (rate, start) = (median(&rates), median(starts));
        let best = rates.iter().copied().fold(0.0, f64::max);
        let soonest = starts.iter().copied().fold(f64::INFINITY, f64::min);
        let fast = u64_of(best) >= self.least && u64_of(soonest) <= self.longest;
        let clean = violations.is_empty() && runs.iter().all(|once| once.clean_removal);
        let report = SpeedReport {
            driver: self.driver,
            device: self.device.to_string(),
            engine: "parallel",
            processors: self.processors,
            depth: self.depth,
            read_bytes: LENGTH,
            debug_assertions: cfg!(debug_assertions),
            runs: runs.len(),
            reads_per_second: rate,
            startup_ms: start,
            reads_per_second_best: best,
            startup_ms_best: soonest,
            reads_per_second_all: rates,
            startup_ms_all: starts.to_vec(),
            startup_is: "from before the process is made until it told that its first 4 KiB read ended: image loaded, \
                         adapter started, start-up commands answered",
            violations,
            ok: fast && clean,
        };
        println!(
            "median {:.0} reads/s (best {:.0}), first read after {:.0} ms (best {:.0})",
            report.reads_per_second, report.reads_per_second_best, report.startup_ms, report.startup_ms_best
        );
        if let Some(path) = &self.json
            && let Err(error) = report::write(path, &report)
        {
            return refuse(&error);
        }
        if !clean {
            eprintln!("portlab: rules broken: {:?}", report.violations);
            return Exit::Violation;
        }
        if !fast {
            eprintln!("portlab: slower than --least or --longest allow");
            return Exit::CheckFailed;
        }
        Exit::Success
    }

    fn measure_once(&self) -> Exit {
        let setup = Setup {
            driver: self.driver.clone(),
            device: self.device.clone(),
            registry: match registry(self.inf.as_deref(), &self.driver) {
                Ok(registry) => registry,
                Err(error) => return refuse(&error),
            },
            processors: self.processors,
            seed: 0,
            allocation_failures: None,
            engine: EngineKind::Parallel,
            observer: None,
        };
        let mut bench = match Bench::load(setup) {
            Ok(bench) => bench,
            Err(error) => return refuse(&error),
        };
        let read = self.read(&mut bench);
        let removed = bench.remove();
        bench.observe();
        let once = match read {
            Ok(reads) => Once {
                reads: reads.reads,
                seconds: reads.elapsed.as_secs_f64(),
                reads_per_second: reads.per_second(),
                violations: bench
                    .observed
                    .violation_records
                    .iter()
                    .map(|violation| format!("{}: {}", violation.rule, violation.detail))
                    .collect(),
                warnings: bench.observed.warnings.len(),
                clean_removal: removed.is_ok(),
            },
            Err(error) => {
                eprintln!("portlab: {error}");
                return error.exit();
            }
        };
        match serde_json::to_string(&once) {
            Ok(text) => println!("{text}"),
            Err(error) => return refuse(&error),
        }
        Exit::Success
    }

    fn read(&self, bench: &mut Bench) -> Result<read_loop::Reads, BenchError> {
        bench.start(&Silent)?;
        let disk = bench
            .observed
            .startup
            .as_ref()
            .and_then(|startup| startup.disks().next());
        let (unit, block): (Address, u32) = disk
            .map(|disk| (disk.unit, disk.block_size))
            .ok_or(BenchError::NoDisk)?;
        let lab = bench.lab();
        let unmet = |text: String| BenchError::Unmet(text);
        let buffer = lab
            .buffer(LENGTH as usize)
            .map_err(|error| unmet(error.to_string()))?;
        let first = lab.execute(Request {
            processor: 0,
            address: unit,
            cdb: cdb::read(Form::Ten, 0, LENGTH / block),
            direction: Direction::In,
            buffer: Some(buffer),
            timeout: Duration::from_secs(10),
        });
        if !first.is_success() {
            return Err(unmet(format!("the first read: {first:?}")));
        }
        // Whoever measures waits for it.
        println!("{FIRST_READ}");
        let _ = std::io::stdout().flush();
        let plan = Plan {
            unit,
            block,
            area: AREA.min(bench.capacity()),
            length: LENGTH,
            depth: self.depth,
            duration: Duration::from_millis(self.milliseconds),
        };
        read_loop::run(lab, &plan).map_err(|error| unmet(error.to_string()))
    }
}

fn registry(inf: Option<&Path>, driver: &Path) -> Result<AdapterParameters, parameters::ParametersError> {
    let beside = driver.with_extension("inf");
    let inf = inf.or_else(|| Some(beside.as_path()).filter(|path| path.is_file()));
    let registry = inf.map(parameters::read).transpose()?;
    Ok(registry.unwrap_or_else(|| AdapterParameters {
        msi_supported: true,
        ..AdapterParameters::default()
    }))
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate or a time, positive and small"
)]
fn u64_of(value: f64) -> u64 {
    value as u64
}
