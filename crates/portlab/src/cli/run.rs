//! `portlab run`: any Storport miniport, from load to removal.

use std::{fs, path::PathBuf, sync::Arc};

use clap::Args;
use drvpkg::{manifest::Flavour, pe::inspect::Inspection};
use portlab::{
    device::spec::DeviceSpec,
    model::{AdapterParameters, AllocationFailures, EngineKind},
    observe::{Observer, record::Record},
    package::parameters,
    trap,
    workload::{
        properties::Properties,
        transfer::{self, Incident, Phase, Source},
    },
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{
    bench::{Bench, BenchError, Setup},
    console::Console,
    exit::Exit,
    failing::{self, FailAllocation},
    life::{Life, LifeReport},
    page::Page,
    report::{self, Observed},
    watch::{self, Watch},
};

/// Loads any Storport miniport, starts it, sends what Windows sends to a new disk, moves verified data, removes it
#[derive(Debug, Args)]
#[command(
    after_help = "Devices:\n  qemu:nvme[,KEY=VALUE...]  QEMU's NVMe controller, with\n    size=64M        bytes of each \
    namespace\n    image=PATH      its image, made if absent; the traffic OVERWRITES it\n    serial=TEXT     serial \
    number\n    mdts=8          maximum data transfer size, a power of two of 4 KiB\n    block=512       512 or \
    4096\n    namespaces=1    1 to 16\n    queues=64       I/O queue pairs\n    subsystem=off   on: with a second \
    controller, for namespace events\n    interrupts=msix msix or line\n    ram=512M        memory shared with the \
    device\n  qemu:pvscsi[,KEY=VALUE...]  QEMU's model of VMware's SCSI adapter, with\n    size, image, block, ram as \
    above\n    disks=1         1 to 16, unit 0 of as many targets\n    serial=TEXT     serial number of the first \
    disk\n    interrupts=msi  msi or line\n  qemu:ahci, qemu:virtio-scsi, qemu:virtio-blk, qemu:megasas, qemu:mptsas  QEMU's other storage \
    controllers, with\n    size, image, block, ram, disks, serial as above\n    interrupts=msi  or msix, as the controller has \
    it, or line\n    queues=4        request queues of the virtio ones, 1 to 16\n  lab:nvme[,KEY=VALUE...]  the lab's own NVMe controller, without an emulator, \
    with\n    size, image, serial, mdts, block, namespaces, queues, interrupts, ram as for qemu:nvme; without image= the data \
    is in memory\n    vectors=65      MSI-X messages\n    entries=2048    of the \
    largest queue\n    timeout=7500    milliseconds that becoming ready may take (CAP.TO)\n    latency=0       microseconds a command takes at least\n    \
    cache=on        volatile write cache\n    shadow=off      on: shadow doorbells\n    sgls=off        on: SGLs\n    thin=on         off: no deallocation\n    management=on   off: no security protocols, no firmware download, no Sanitize\n    \
    faults=PLAN     FAULT[+CONDITION...][;...], such as lose-completion+opcode=io:0x02+nth=5; an unknown one is \
    answered with the list"
)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub(super) struct Run {
    /// The driver
    #[arg(value_name = "DRIVER.sys")]
    driver: PathBuf,
    /// The INF whose registry values Storport reads: bus type, interrupt messages [default: the one beside the driver
    /// with its name; without one, Windows' defaults with interrupt messages on]
    #[arg(long, value_name = "FILE")]
    inf: Option<PathBuf>,
    /// The device
    #[arg(long, default_value = "qemu:nvme")]
    device: DeviceSpec,
    /// Virtual processors
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    processors: u32,
    /// Seed of everything that is left to chance
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Let allocations of the driver fail: `each`, one in each run of as many as it makes; or [PLACE:]WHICH, where PLACE is a part of the call's name (`AllocatePool`, or
    /// `AllocatePool in HwStorFindAdapter`) and WHICH is N (the Nth), N+ (the Nth and all later ones) or 1/N (one in N,
    /// by the seed)
    #[arg(long, value_name = "each|[PLACE:]WHICH")]
    fail_allocation: Option<FailAllocation>,
    /// What runs the machine: `parallel` gives each virtual processor a host thread; `deterministic` runs everything on one
    /// thread in virtual time, so that a seed replays event by event (with lab:nvme only)
    #[arg(long, default_value = "parallel")]
    engine: EngineKind,
    /// Bytes of verified traffic; 0 for none
    #[arg(long, default_value = "16M", value_parser = super::size)]
    traffic: u64,
    /// Reset the bus in the middle of the traffic
    #[arg(long)]
    reset: bool,
    /// What else happens in the adapter's life; may be given several times
    #[arg(long = "life", value_name = "WHAT")]
    lives: Vec<Life>,
    /// Print the ETW events that the driver writes
    #[arg(long)]
    etw: bool,
    /// Print the trace ring in the device extension as it is at the end
    #[arg(long)]
    trace_ring: bool,
    /// Write a report
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    watch: Watch,
    /// A debugger watches: leave the driver's code as it is
    #[arg(long, hide = true)]
    debugged: bool,
}

/// The report.
#[derive(Debug, Serialize)]
struct RunReport {
    driver: PathBuf,
    driver_sha256: String,
    /// Absent if the driver is no image.
    flavour: Option<Flavour>,
    device: String,
    processors: u32,
    seed: u64,
    ok: bool,
    failure: Option<String>,
    violations: usize,
    lives: Vec<LifeReport>,
    /// What storage property queries answer.
    properties: Option<Properties>,
    #[serde(flatten)]
    observed: Observed,
}

/// What was found on the way.
#[derive(Debug, Default)]
struct Told {
    lives: Vec<LifeReport>,
    properties: Option<Properties>,
}

impl Run {
    /// Runs the driver.
    pub(super) fn run(self) -> Exit {
        let registry = match self.inf_file().as_deref().map(parameters::read).transpose() {
            // Without its INF a driver gets the interrupts that it was most likely written for.
            Ok(registry) => registry.unwrap_or_else(|| AdapterParameters {
                msi_supported: true,
                ..AdapterParameters::default()
            }),
            Err(error) => return refuse(&error),
        };
        let image = match fs::read(&self.driver) {
            Ok(image) => image,
            Err(error) => {
                return refuse(&format_args!(
                    "{}: {error}; give the path of a .sys file",
                    self.driver.display()
                ));
            }
        };
        if self.traffic < 4096 && (self.reset || !self.lives.is_empty()) {
            return refuse(
                &"--reset and --life happen in the middle of the traffic: give --traffic 1M, or more",
            );
        }
        let failures = match &self.fail_allocation {
            Some(FailAllocation::Each) => {
                let once = |failures| self.once(registry.clone(), failures, None, &mut Told::default());
                return failing::each(&self.driver, self.json.as_deref(), once);
            }
            Some(FailAllocation::Plan(failures)) => Some(failures.clone()),
            None => None,
        };
        if self.debugged {
            // Breakpoints and trampolines would overwrite each other.
            trap::set_patching(false);
        }
        let watching = match self.watch.begin() {
            Ok(watching) => watching,
            Err(error) => return refuse(&error),
        };
        let mut told = Told::default();
        let (observed, failure) = self.once(registry, failures, watching.observer(), &mut told);
        observed.print();
        if self.etw {
            observed.print_etw();
        }
        if self.trace_ring {
            observed.print_trace_ring();
        }
        let page = |record: &Record| {
            Page {
                driver: self.driver.display().to_string(),
                sha256: report::hexadecimal(&Sha256::digest(&image)),
                flavour: Inspection::of(&image).ok().map(|inspection| inspection.flavour()),
                device: self.device.to_string(),
                engine: engine_name(self.engine),
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
        let report = RunReport {
            driver: self.driver,
            driver_sha256: report::hexadecimal(&Sha256::digest(&image)),
            flavour: Inspection::of(&image).ok().map(|inspection| inspection.flavour()),
            device: self.device.to_string(),
            processors: self.processors,
            seed: self.seed,
            ok: failure.is_none() && !observed.is_violation(),
            failure: failure.as_ref().map(ToString::to_string),
            violations: observed.violation_records.len(),
            lives: told.lives,
            properties: told.properties,
            observed,
        };
        if let Some(path) = &self.json
            && let Err(error) = report::write(path, &report)
        {
            return refuse(&error);
        }
        conclude(&report.observed, failure.as_ref())
    }

    /// One life of the driver.
    fn once(
        &self,
        registry: AdapterParameters,
        allocation_failures: Option<AllocationFailures>,
        observer: Option<Arc<dyn Observer>>,
        told: &mut Told,
    ) -> (Observed, Option<BenchError>) {
        let setup = Setup {
            driver: self.driver.clone(),
            device: self.device.clone(),
            registry,
            processors: self.processors,
            seed: self.seed,
            allocation_failures,
            engine: self.engine,
            observer,
        };
        match Bench::load(setup) {
            Ok(mut bench) => {
                let failure = self.exercise(&mut bench, told).err();
                (std::mem::take(&mut bench.observed), failure)
            }
            Err(error) => (Observed::default(), Some(error)),
        }
    }

    /// The INF that was given, or the one beside the driver.
    fn inf_file(&self) -> Option<PathBuf> {
        self.inf
            .clone()
            .or_else(|| Some(self.driver.with_extension("inf")).filter(|path| path.is_file()))
    }

    /// Start, traffic, removal. Whatever goes wrong, the adapter is removed.
    fn exercise(&self, bench: &mut Bench, told: &mut Told) -> Result<(), BenchError> {
        let result = self.work(bench, told);
        // A system that crashed removes nothing.
        let crashed = told.lives.iter().any(LifeReport::is_crash);
        let removed = bench.remove();
        bench.observe();
        if crashed {
            return result;
        }
        result.and(removed)
    }

    fn work(&self, bench: &mut Bench, told: &mut Told) -> Result<(), BenchError> {
        let console = Console::new();
        bench.start(&console)?;
        told.properties = Some(bench.properties());
        let length = self.traffic.min(bench.capacity()) / 4096 * 4096;
        if length > 0 {
            // The driver's own directory holds real data of the right kind: images, symbols, objects.
            let directory = self
                .driver
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty());
            let source = Source::take(directory.unwrap_or(&PathBuf::from(".")), length)?;
            let mut options = transfer::Options::quiet(self.seed);
            if self.reset {
                options.incidents.push((Phase::Write, 500, Incident::ResetBus));
                options.incidents.push((Phase::Read, 500, Incident::ResetBus));
            }
            bench.traffic(&source, &options, &console)?;
            let mut lives = self.lives.clone();
            // What ends the life comes last.
            lives.sort_by_key(|life| life.is_last());
            for life in lives {
                let (report, result) = life.live(bench, &source, self.seed, &console);
                told.lives.push(report);
                result?;
                if life.is_last() {
                    return Ok(());
                }
            }
        }
        bench.quiesce()
    }
}

/// An engine's name on the command line.
pub(super) fn engine_name(engine: EngineKind) -> &'static str {
    match engine {
        EngineKind::Parallel => "parallel",
        EngineKind::Deterministic => "deterministic",
    }
}

/// Says why nothing could be run.
pub(super) fn refuse(error: &dyn std::fmt::Display) -> Exit {
    eprintln!("portlab: {error}");
    Exit::Environment
}

/// Says how it ended; a broken rule weighs more than what it may have led to.
pub(super) fn conclude(observed: &Observed, failure: Option<&BenchError>) -> Exit {
    if let Some(error) = failure {
        eprintln!("portlab: {error}");
    }
    if observed.is_violation() {
        eprintln!("portlab: {} rule(s) broken", observed.violation_records.len());
        return Exit::Violation;
    }
    failure.map_or(Exit::Success, BenchError::exit)
}
