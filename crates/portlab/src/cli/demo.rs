//! `portlab demo`: the packaged driver moves real data through a real controller model, and the image file is
//! checked from outside.

use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use drvpkg::{
    manifest::Flavour,
    verify::{self, Judges, Standing, Subject},
};
use portlab::{
    device::spec::{DeviceSpec, SpecError},
    model::AdapterParameters,
    observe::record::Record,
    package::{Package, parameters},
    workload::{
        progress::Progress as _,
        transfer::{self, Incident, Phase, Source, Traffic, outside},
    },
};
use serde::Serialize;

use super::{
    bench::{Bench, BenchError, Setup},
    console::{Console, mebibytes},
    driver::{Driver, Event},
    exit::Exit,
    page::Page,
    report::{self, Observed},
    run::{conclude, refuse},
    watch::{self, Watch},
};

/// How long the driver may take to react to an asynchronous event.
const EVENT_PATIENCE: Duration = Duration::from_secs(15);

/// Runs the packaged driver: verifies the package, writes file data through the driver, resets the controller in the
/// middle, reads everything back, and checks the image file from outside
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// The driver
    #[arg(long, value_enum, default_value_t = Driver::Ferronvme)]
    driver: Driver,
    /// The package [default: that of the driver, below target/]
    #[arg(long, value_name = "DIR")]
    package: Option<PathBuf>,
    /// Bytes to write
    #[arg(long, default_value = "64M", value_parser = super::size)]
    size: u64,
    /// The device; see `portlab run --help` [default: the driver's]
    #[arg(long)]
    device: Option<DeviceSpec>,
    /// The file, or the directory of files, whose content is written [default: the package's parent directory]
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Virtual processors
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    processors: u32,
    /// Seed of everything that is left to chance
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The Python environment of the catalog's judge [default: judge-venv beside the package]
    #[arg(long, value_name = "DIR", env = "DRVPKG_JUDGE_VENV")]
    judge_venv: Option<PathBuf>,
    /// Where the report goes [default: reports/demo.json beside the package, or demo-DRIVER.json]
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    watch: Watch,
}

/// The report.
#[derive(Debug, Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent findings, each a field of the JSON"
)]
struct DemoReport {
    driver_sha256: String,
    flavour: Flavour,
    device: String,
    processors: u32,
    seed: u64,
    bytes_written: u64,
    bytes_verified: u64,
    image_verified: bool,
    data_sha256: Option<String>,
    image_sha256: Option<String>,
    resets: u64,
    retries: u64,
    work_items_run: u64,
    state_changes: u64,
    interrupts: u64,
    violations: usize,
    seconds: f64,
    signature_ok: bool,
    catalog_ok: bool,
    ok: bool,
    failure: Option<String>,
    #[serde(flatten)]
    observed: Observed,
}

/// What the demo found beside what the bench saw.
#[derive(Debug, Default)]
struct Found {
    files: usize,
    data_sha256: Option<String>,
    image_sha256: Option<String>,
}

/// What a demo needs before anything runs.
struct Prepared {
    package: Package,
    registry: AdapterParameters,
    verified: verify::Report,
    flavour: Flavour,
    device: DeviceSpec,
}

impl Demo {
    /// Runs the demo.
    pub(super) fn run(self) -> Exit {
        let started = Instant::now();
        let console = Console::new();
        let prepared = match self.prepare(&console) {
            Ok(prepared) => prepared,
            Err(exit) => return exit,
        };
        let Prepared {
            package,
            registry,
            verified,
            flavour,
            device,
        } = prepared;
        let watching = match self.watch.begin() {
            Ok(watching) => watching,
            Err(error) => return refuse(&error),
        };
        let setup = Setup {
            driver: package.driver.clone(),
            device: device.clone().or_size(self.size.max(1 << 20)),
            registry,
            processors: self.processors,
            seed: self.seed,
            allocation_failures: None,
            engine: portlab::model::EngineKind::Parallel,
            observer: watching.observer(),
        };
        let mut found = Found::default();
        let (observed, failure) = match Bench::load(setup) {
            Ok(mut bench) => {
                let event = Event::of(&device);
                let failure = self
                    .exercise(&mut bench, &package, event, &console, &mut found)
                    .err();
                (std::mem::take(&mut bench.observed), failure)
            }
            Err(error) => (Observed::default(), Some(error)),
        };
        let failure = failure.or_else(|| package_failure(&verified));
        observed.print();
        let page = |record: &Record| {
            Page {
                driver: package.driver.display().to_string(),
                sha256: verified.driver_sha256.clone(),
                flavour: Some(flavour),
                device: device.to_string(),
                engine: "parallel",
                processors: self.processors,
                seed: self.seed,
                command: watch::command_line(),
                failure: failure.as_ref().map(ToString::to_string),
                observed: &observed,
                record,
            }
            .render()
        };
        if let Err(error) = watching.finish(page) {
            return refuse(&error);
        }
        let traffic = observed.traffic.unwrap_or_default();
        let statistics = observed.statistics.unwrap_or_default();
        let report = DemoReport {
            driver_sha256: verified.driver_sha256,
            flavour,
            device: device.to_string(),
            processors: self.processors,
            seed: self.seed,
            bytes_written: traffic.bytes_written,
            bytes_verified: traffic.bytes_verified,
            image_verified: found.image_sha256.is_some() && found.image_sha256 == found.data_sha256,
            data_sha256: found.data_sha256,
            image_sha256: found.image_sha256,
            resets: traffic.resets,
            retries: traffic.retries,
            work_items_run: statistics.work_items_run,
            state_changes: statistics.state_changes,
            interrupts: statistics.interrupts,
            violations: observed.violation_records.len(),
            seconds: started.elapsed().as_secs_f64(),
            signature_ok: verified.signature_ok,
            catalog_ok: verified.catalog_ok,
            ok: failure.is_none() && !observed.is_violation(),
            failure: failure.as_ref().map(ToString::to_string),
            observed,
        };
        report.print(&traffic, found.files);
        let path = self.json.clone().unwrap_or_else(|| {
            self.package()
                .with_file_name("reports")
                .join(self.driver.report())
        });
        match report::write(&path, &report) {
            Ok(()) => println!("report     {}", path.display()),
            Err(error) => return refuse(&error),
        }
        conclude(&report.observed, failure.as_ref())
    }

    /// Opens and verifies the package, and says what is wrong with it.
    fn prepare(&self, console: &Console) -> Result<Prepared, Exit> {
        if self.size == 0 || !self.size.is_multiple_of(4096) {
            return Err(refuse(&"--size: give a multiple of 4K, such as 256M"));
        }
        let (package, registry) = self.open_package().map_err(|error| refuse(&error))?;
        console.begin("package verification", 0);
        let verified = self.verify(&package);
        console.end();
        let verified = verified.map_err(|error| refuse(&error))?;
        let flavour = package.flavour().map_err(|error| refuse(&error))?;
        for check in verified
            .checks
            .iter()
            .filter(|check| check.standing != Standing::Ok)
        {
            eprintln!("portlab: {} {}: {}", check.judge, check.name, check.detail);
        }
        let device = self.device().map_err(|error| refuse(&error))?;
        Ok(Prepared {
            package,
            registry,
            verified,
            flavour,
            device,
        })
    }

    fn package(&self) -> &Path {
        self.package
            .as_deref()
            .unwrap_or_else(|| Path::new(self.driver.package()))
    }

    fn device(&self) -> Result<DeviceSpec, SpecError> {
        self.device
            .clone()
            .map_or_else(|| self.driver.device().parse(), Ok)
    }

    fn open_package(&self) -> Result<(Package, AdapterParameters), Box<dyn std::error::Error>> {
        let package = Package::open(self.package())?;
        if let Some(root) = package.repository() {
            package.require_fresh(&root)?;
        }
        let registry = parameters::read(&package.inf)?;
        Ok((package, registry))
    }

    fn verify(&self, package: &Package) -> Result<verify::Report, verify::VerifyError> {
        let beside = verify::default_venv(&package.directory);
        verify::verify(
            &package.directory,
            &Judges {
                venv: self.judge_venv.as_deref().unwrap_or(&beside),
            },
        )
    }

    /// Start, traffic, removal, and the image from outside. Whatever goes wrong, the adapter is removed.
    fn exercise(
        &self,
        bench: &mut Bench,
        package: &Package,
        event: Event,
        console: &Console,
        found: &mut Found,
    ) -> Result<(), BenchError> {
        let data = self
            .data
            .clone()
            .unwrap_or_else(|| default_data(&package.directory));
        let source = Source::take(&data, self.size)?;
        found.files = source.files();
        found.data_sha256 = Some(report::hexadecimal(&source.sha256()));
        let result = self.work(bench, &source, event, console);
        let removed = bench.remove();
        bench.observe();
        result.and(removed)?;

        bench.device.power_off()?;
        console.begin("image check", source.length());
        let hash = outside::compare(&source, |buffer, offset| {
            console.advance(buffer.len() as u64);
            bench.device.read_image(1, offset, buffer)
        });
        console.end();
        let hash = hash.map_err(|error| BenchError::Unmet(error.to_string()))?;
        found.image_sha256 = Some(report::hexadecimal(&hash));
        Ok(())
    }

    fn work(
        &self,
        bench: &mut Bench,
        source: &Source,
        event: Event,
        console: &Console,
    ) -> Result<(), BenchError> {
        bench.start(console)?;
        let device = std::sync::Arc::clone(&bench.device);
        let raise = || match event.raise(&*device) {
            Ok(()) => console.note(event.what()),
            Err(error) => console.note(&format!("nothing could be raised: {error}")),
        };
        let mut options = transfer::Options::quiet(self.seed);
        options.incidents = vec![
            (Phase::Write, 500, Incident::ResetBus),
            (Phase::Write, 750, Incident::Call(&raise)),
            (Phase::Read, 500, Incident::ResetBus),
        ];
        bench.traffic(source, &options, console)?;
        await_reaction(bench, event)?;
        bench.quiesce()
    }
}

/// Waits until the driver's reaction to the event has run.
fn await_reaction(bench: &Bench, event: Event) -> Result<(), BenchError> {
    let deadline = Instant::now() + EVENT_PATIENCE;
    while !event.is_answered(&bench.lab().statistics()) {
        if Instant::now() > deadline {
            return Err(BenchError::Unmet(format!(
                "the driver {} within {} s after: {}",
                event.reaction(),
                EVENT_PATIENCE.as_secs(),
                event.what()
            )));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The build's products: what is beside the package.
fn default_data(package: &Path) -> PathBuf {
    match package.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Why the package does not hold, if it does not.
fn package_failure(verified: &verify::Report) -> Option<BenchError> {
    let bad: Vec<String> = verified
        .checks
        .iter()
        .filter(|check| check.standing != Standing::Ok && check.subject != Subject::Package)
        .map(|check| format!("{} {}", check.judge, check.name))
        .collect();
    (!verified.signature_ok || !verified.catalog_ok).then(|| {
        BenchError::Unmet(format!(
            "the package's signatures were not confirmed: {}",
            bad.join(", ")
        ))
    })
}

impl DemoReport {
    fn print(&self, traffic: &Traffic, files: usize) {
        let yes = |ok: bool| if ok { "ok" } else { "FAILED" };
        println!(
            "package    {} flavour, signature {}, catalog {}",
            self.flavour,
            yes(self.signature_ok),
            yes(self.catalog_ok)
        );
        println!(
            "data       {} of {files} file(s) written and {} read back equal, {} request(s), {} tried again",
            mebibytes(self.bytes_written),
            mebibytes(self.bytes_verified),
            traffic.requests,
            traffic.retries
        );
        println!(
            "resets     {} with {} request(s) in flight; {} work item(s), {} state change(s), {} interrupt(s)",
            self.resets, traffic.in_flight_at_reset, self.work_items_run, self.state_changes, self.interrupts
        );
        println!("image      read from outside: {}", yes(self.image_verified));
        println!("violations {}", self.violations);
        println!(
            "{}         {:.1} s on {}",
            if self.ok { "ok    " } else { "FAILED" },
            self.seconds,
            self.device
        );
    }
}
