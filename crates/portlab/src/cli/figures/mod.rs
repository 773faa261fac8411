//! `portlab bench`: what a request costs, in exact counts, and how fast it goes.
//!
//! | file | idea |
//! | --- | --- |
//! | `held` | a controller that stands still while requests are sent to it, so that counts repeat |
//! | `counted` | instructions, calls and register accesses of each kind of request |
//! | `speeds` | what takes time: a million reads, QEMU's controller, the first read |
//! | `baseline` | the counts of before, that those of now must not exceed |
//! | `plot` | the counts as one picture |

mod baseline;
mod counted;
mod held;
mod plot;
mod speeds;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use object::read::pe::{ImageNtHeaders as _, ImageOptionalHeader as _};
use portlab::{device::spec::DeviceSpec, model::AdapterParameters, package::parameters, trap};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use self::{
    counted::{Counted, Kind, Split, measure},
    speeds::Speeds,
};
use super::{
    bench::{BenchError, Setup},
    exit::Exit,
    report,
    run::refuse,
};

/// Counts what a request costs (instructions of the driver's image by single steps, calls, doorbells), shows that it does not grow
/// with processors, queues and depth, and measures how fast requests go
///
/// The counts are exact: they are taken twice, on two controllers, and the command fails if they differ.
#[derive(Debug, Args)]
pub(super) struct Figures {
    /// The driver, unsigned for its size
    #[arg(value_name = "DRIVER.sys")]
    driver: PathBuf,
    /// The INF whose registry values Storport reads [default: the one beside the driver with its name]
    #[arg(long, value_name = "FILE")]
    inf: Option<PathBuf>,
    /// Fail if a count has grown by more than 3 % over this file's
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Put the counts into the baseline instead
    #[arg(long, requires = "baseline")]
    accept: bool,
    /// Only the counts, and only of one processor: no times, no table of growth
    #[arg(long)]
    check: bool,
    /// Reads with which calls of memory functions are counted
    #[arg(long, default_value_t = 1_000_000)]
    reads: u64,
    /// Write a report
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the plot
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// A row of the table of growth.
#[derive(Debug, Clone, Serialize)]
struct Row {
    processors: u32,
    queues: u32,
    /// Requests under way on each queue.
    depth: u32,
    /// Instructions a 4 KiB read.
    total: f64,
}

/// The report.
#[derive(Debug, Serialize)]
struct FiguresReport {
    driver: PathBuf,
    driver_sha256: String,
    ok: bool,
    failures: Vec<String>,
    /// Instructions a request, by workload.
    instructions: BTreeMap<&'static str, Split>,
    /// Calls a 4 KiB read at depth 32, by name.
    port_calls: BTreeMap<String, f64>,
    port_calls_by_workload: BTreeMap<&'static str, BTreeMap<String, f64>>,
    /// Of a 4 KiB read at depth 32.
    sq_doorbells_per_io: f64,
    cq_doorbells_per_io: f64,
    completions_per_interrupt: f64,
    /// Of 4 KiB reads at depth 32, on a controller with shadow doorbells.
    register_writes_per_io_shadow: f64,
    image_bytes: usize,
    growth: Vec<Row>,
    #[serde(flatten)]
    speeds: Option<Speeds>,
}

/// Requests under way where there are several.
const DEPTH: u32 = 32;
/// The workloads of the report.
const WORKLOADS: [(&str, Kind, u32); 4] = [
    ("write4k_qd32", Kind::Write4K, DEPTH),
    ("read4k_qd1", Kind::Read4K, 1),
    ("read4k_qd32", Kind::Read4K, DEPTH),
    ("read128k_qd32", Kind::Read128K, DEPTH),
];
/// Processors, queues and depth of the table of growth.
const GROWTH: [(u32, u32, u32); 13] = [
    (1, 1, 1),
    (1, 1, 8),
    (1, 1, 32),
    (1, 1, 128),
    (8, 1, 8),
    (1, 1, 4),
    (2, 2, 4),
    (4, 4, 4),
    (8, 8, 4),
    (32, 32, 4),
    (2, 2, 8),
    (8, 8, 8),
    (8, 8, 16),
];

/// The lab's own controller with so many queues.
fn device(queues: u32, more: &str) -> Result<DeviceSpec, BenchError> {
    let text = format!("lab:nvme,size=64M,queues={queues}{more}");
    text.parse()
        .map_err(|error| BenchError::Unmet(format!("{text}: {error}")))
}

impl Figures {
    /// Measures.
    pub(super) fn run(self) -> Exit {
        let image = match fs::read(&self.driver) {
            Ok(image) => image,
            Err(error) => return refuse(&format_args!("{}: {error}", self.driver.display())),
        };
        let inf = self
            .inf
            .clone()
            .or_else(|| Some(self.driver.with_extension("inf")).filter(|path| path.is_file()));
        let registry = match inf.as_deref().map(parameters::read).transpose() {
            Ok(registry) => registry.unwrap_or_else(|| AdapterParameters {
                msi_supported: true,
                ..AdapterParameters::default()
            }),
            Err(error) => return refuse(&error),
        };
        match self.measure(&image, &registry) {
            Ok(report) => self.conclude(&report),
            Err(error) => {
                eprintln!("portlab: {error}");
                error.exit()
            }
        }
    }

    fn setup(&self, registry: &AdapterParameters, device: DeviceSpec, processors: u32) -> Setup {
        Setup {
            driver: self.driver.clone(),
            device,
            registry: registry.clone(),
            processors,
            seed: 0,
            allocation_failures: None,
            engine: portlab::model::EngineKind::Parallel,
            observer: None,
        }
    }

    fn measure(&self, image: &[u8], registry: &AdapterParameters) -> Result<FiguresReport, BenchError> {
        // Instructions in trampolines would escape the count.
        trap::set_patching(false);
        let all: Vec<_> = WORKLOADS.iter().map(|(_, kind, depth)| (*kind, *depth)).collect();
        let count = || measure(self.setup(registry, device(1, "")?, 1), &all);
        let counted = count()?;
        let mut failures = Vec::new();
        if count()? != counted {
            failures.push(String::from("two counts of the same requests differ"));
        }
        let counted: BTreeMap<_, Counted> = WORKLOADS.iter().map(|(name, ..)| *name).zip(counted).collect();
        let shadow = measure(
            self.setup(registry, device(1, ",shadow=on")?, 1),
            &[(Kind::Write4K, DEPTH), (Kind::Read4K, DEPTH)],
        )?;
        let mut growth = Vec::new();
        if !self.check {
            for (processors, queues, depth) in GROWTH {
                let setup = self.setup(registry, device(queues, "")?, processors);
                let counted = measure(setup, &[(Kind::Read4K, depth * queues)]).map_err(|error| {
                    BenchError::Unmet(format!(
                        "{processors} processor(s), {queues} queue(s), depth {depth}: {error}"
                    ))
                })?;
                growth.push(Row {
                    processors,
                    queues,
                    depth,
                    total: counted.first().map_or(f64::NAN, |counted| counted.split().total),
                });
            }
        }
        let usual = counted.get("read4k_qd32").cloned().unwrap_or_default();
        trap::set_patching(true);
        let speeds = (!self.check)
            .then(|| speeds::measure(self.reads, |spec| self.setup(registry, spec, 1)))
            .transpose()?;
        Ok(FiguresReport {
            driver: self.driver.clone(),
            driver_sha256: report::hexadecimal(&Sha256::digest(image)),
            ok: failures.is_empty(),
            failures,
            instructions: counted
                .iter()
                .map(|(name, counted)| (*name, counted.split()))
                .collect(),
            port_calls: usual.port_calls(),
            port_calls_by_workload: counted
                .iter()
                .map(|(name, counted)| (*name, counted.port_calls()))
                .collect(),
            sq_doorbells_per_io: usual.submission_doorbells(),
            cq_doorbells_per_io: usual.completion_doorbells(),
            completions_per_interrupt: usual.completions_per_interrupt(),
            register_writes_per_io_shadow: shadow.last().map_or(f64::NAN, Counted::register_writes),
            image_bytes: unsigned_length(image),
            growth,
            speeds,
        })
    }

    fn conclude(self, report: &FiguresReport) -> Exit {
        print(report);
        let mut failures = report.failures.clone();
        if let Some(path) = &self.baseline {
            let now = baseline::counts(report);
            let compared = if self.accept {
                baseline::accept(path, &now)
            } else {
                baseline::compare(path, &now)
            };
            match compared {
                Ok(grown) => failures.extend(grown),
                Err(error) => return refuse(&error),
            }
        }
        let written = FiguresReport {
            ok: failures.is_empty(),
            failures: failures.clone(),
            driver: report.driver.clone(),
            driver_sha256: report.driver_sha256.clone(),
            instructions: report.instructions.clone(),
            port_calls: report.port_calls.clone(),
            port_calls_by_workload: report.port_calls_by_workload.clone(),
            growth: report.growth.clone(),
            speeds: report.speeds.clone(),
            ..*report
        };
        let svg = self
            .svg
            .as_deref()
            .map(|path| report::write_text(path, &plot::svg(report)));
        let json = self
            .json
            .as_deref()
            .map(|path: &Path| report::write(path, &written));
        for result in [svg, json].into_iter().flatten() {
            if let Err(error) = result {
                return refuse(&error);
            }
        }
        for failure in &failures {
            eprintln!("portlab: {failure}");
        }
        if failures.is_empty() {
            Exit::Success
        } else {
            Exit::CheckFailed
        }
    }
}

/// Bytes of an image without the certificates that a signature adds at its end.
fn unsigned_length(image: &[u8]) -> usize {
    let signed_from = || {
        let dos = object::pe::ImageDosHeader::parse(image).ok()?;
        let mut offset = dos.nt_headers_offset().into();
        let (headers, directories) = object::pe::ImageNtHeaders64::parse(image, &mut offset).ok()?;
        let _ = headers.optional_header().size_of_image();
        let directory = directories.get(object::pe::IMAGE_DIRECTORY_ENTRY_SECURITY)?;
        let at = directory.virtual_address.get(object::LittleEndian);
        usize::try_from(at).ok().filter(|at| *at != 0)
    };
    signed_from().unwrap_or(image.len())
}

fn print(report: &FiguresReport) {
    println!(
        "{:<16} {:>9} {:>9} {:>9} {:>9} {:>9}   port calls",
        "instructions", "total", "build_io", "start_io", "interrupt", "dpc"
    );
    for (name, split) in &report.instructions {
        let calls: Vec<String> = report
            .port_calls_by_workload
            .get(name)
            .into_iter()
            .flatten()
            .map(|(name, number)| format!("{name} {number:.3}"))
            .collect();
        println!(
            "{name:<16} {:>9.2} {:>9.2} {:>9.2} {:>9.2} {:>9.2}   {}",
            split.total,
            split.build_io,
            split.start_io,
            split.interrupt,
            split.dpc,
            calls.join(", ")
        );
    }
    println!(
        "doorbells a request at depth {DEPTH}: {:.3} submission, {:.3} completion ({} completions an interrupt); with shadow \
         doorbells {:.3} register writes",
        report.sq_doorbells_per_io,
        report.cq_doorbells_per_io,
        report.completions_per_interrupt,
        report.register_writes_per_io_shadow
    );
    println!("image: {} bytes", report.image_bytes);
    if !report.growth.is_empty() {
        println!(
            "{:>10} {:>6} {:>6} {:>9}",
            "processors", "queues", "depth", "total"
        );
    }
    for row in &report.growth {
        println!(
            "{:>10} {:>6} {:>6} {:>9.2}",
            row.processors, row.queues, row.depth, row.total
        );
    }
    if let Some(speeds) = &report.speeds {
        println!("{speeds}");
    }
}
