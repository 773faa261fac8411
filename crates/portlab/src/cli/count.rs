//! `portlab count`: instructions, port calls and register accesses of each callback, exactly.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use clap::Args;
use portlab::{
    device::spec::DeviceSpec,
    model::{AdapterParameters, Address, Callback, DataBuffer, Direction},
    package::parameters,
    trap,
    workload::{
        cdb::{self, Form},
        cost::{self, CallbackCost},
        disk::{Command, Disk as _},
    },
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{
    bench::{Bench, BenchError, Setup},
    console::Console,
    exit::Exit,
    report::{self, Observed},
    run::{conclude, refuse},
};

/// Bytes of a request.
const LENGTH: u32 = 4096;
/// Bytes of a long request.
const LONG: u32 = 128 * 1024;
/// Bytes of a page of the buffers.
const PAGE: u32 = 4096;
/// Requests before those that are counted: what a driver does once is over then.
const WARM_UP: u32 = 4;

/// Counts the instructions of each callback on the way of 4 KiB requests, one at a time, by single steps
#[derive(Debug, Args)]
pub(super) struct Count {
    /// The driver
    #[arg(value_name = "DRIVER.sys")]
    driver: PathBuf,
    /// The INF whose registry values Storport reads [default: the one beside the driver with its name]
    #[arg(long, value_name = "FILE")]
    inf: Option<PathBuf>,
    /// The device; see `portlab run --help`
    #[arg(long, default_value = "qemu:nvme,size=64M")]
    device: DeviceSpec,
    /// Counted requests of each kind
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    operations: u32,
    /// Count also requests of 4 KiB and reads of 128 KiB with so many of them under way
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=128))]
    depth: Option<u32>,
    /// Virtual processors; requests come from each in turn
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    processors: u32,
    /// Write a report
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The report.
#[derive(Debug, Serialize)]
struct CountReport {
    driver: PathBuf,
    driver_sha256: String,
    device: String,
    ok: bool,
    failure: Option<String>,
    violations: usize,
    workloads: BTreeMap<String, Workload>,
}

/// What a workload cost.
#[derive(Debug, Default, Serialize)]
struct Workload {
    /// Requests.
    operations: u32,
    /// By callback.
    callbacks: BTreeMap<Callback, CallbackCost>,
}

impl Count {
    /// Counts.
    pub(super) fn run(self) -> Exit {
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
        let image = match fs::read(&self.driver) {
            Ok(image) => image,
            Err(error) => return refuse(&format_args!("{}: {error}", self.driver.display())),
        };
        // Instructions in trampolines would escape the count.
        trap::set_patching(false);
        let setup = Setup {
            driver: self.driver.clone(),
            device: self.device.clone(),
            registry,
            processors: self.processors,
            seed: 0,
            allocation_failures: None,
            engine: portlab::model::EngineKind::Parallel,
            observer: None,
        };
        let mut workloads = BTreeMap::new();
        let (observed, failure) = match Bench::load(setup) {
            Ok(mut bench) => {
                let result = self.work(&mut bench, &mut workloads);
                let removed = bench.remove();
                bench.observe();
                (std::mem::take(&mut bench.observed), result.and(removed).err())
            }
            Err(error) => (Observed::default(), Some(error)),
        };
        print(&workloads);
        let report = CountReport {
            driver: self.driver,
            driver_sha256: report::hexadecimal(&Sha256::digest(&image)),
            device: self.device.to_string(),
            ok: failure.is_none() && !observed.is_violation(),
            failure: failure.as_ref().map(ToString::to_string),
            violations: observed.violation_records.len(),
            workloads,
        };
        if let Some(path) = &self.json
            && let Err(error) = report::write(path, &report)
        {
            return refuse(&error);
        }
        if observed.is_violation() {
            observed.print();
        }
        conclude(&observed, failure.as_ref())
    }

    fn work(&self, bench: &mut Bench, workloads: &mut BTreeMap<String, Workload>) -> Result<(), BenchError> {
        bench.start(&Console::new())?;
        let unit = bench
            .observed
            .startup
            .as_ref()
            .and_then(|startup| startup.disks().next())
            .ok_or(BenchError::NoDisk)?;
        let disk = Disk {
            unit: unit.unit,
            block: unit.block_size.max(1),
            requests: unit.capacity() / u64::from(LENGTH),
        };
        // What is read was written before, so that the answers can be checked.
        let write = self.counted(bench, disk, Direction::Out)?;
        workloads.insert(String::from("write4k_qd1"), write);
        let read = self.counted(bench, disk, Direction::In)?;
        workloads.insert(String::from("read4k_qd1"), read);
        if let Some(depth) = self.depth {
            for (kind, direction, length) in [
                ("write4k", Direction::Out, LENGTH),
                ("read4k", Direction::In, LENGTH),
                ("read128k", Direction::In, LONG),
            ] {
                let workload = self.at_depth(bench, disk, depth, direction, length)?;
                workloads.insert(format!("{kind}_qd{depth}"), workload);
            }
        }
        bench.quiesce()
    }

    /// Requests one at a time, to the first blocks of the disk in order.
    fn counted(&self, bench: &Bench, disk: Disk, direction: Direction) -> Result<Workload, BenchError> {
        let memory = bench
            .lab()
            .buffer(2 * LENGTH as usize)
            .map_err(|error| BenchError::Unmet(error.to_string()))?;
        let buffer = page_of(&memory, LENGTH);
        for number in 0..WARM_UP + self.operations {
            if number == WARM_UP {
                let _ = bench.lab().take_counts();
                bench.lab().count_instructions(true);
            }
            let request = u64::from(number) % disk.requests.max(1);
            let pattern = u8::try_from(request % 251).unwrap_or(0);
            buffer.fill(if direction == Direction::Out {
                pattern
            } else {
                0xFF
            });
            let blocks = LENGTH / disk.block;
            let lba = request * u64::from(blocks);
            let cdb = match direction {
                Direction::Out => cdb::write(Form::Ten, lba, blocks),
                _ => cdb::read(Form::Ten, lba, blocks),
            };
            let outcome = bench.disk().execute(Command {
                processor: 0,
                unit: disk.unit,
                cdb,
                direction,
                buffer: Some(buffer.clone()),
                timeout: Duration::from_secs(30),
            });
            if !outcome.is_success() {
                return Err(BenchError::Unmet(format!("request {number} failed: {outcome}")));
            }
            if direction == Direction::In && buffer.to_vec().iter().any(|byte| *byte != pattern) {
                return Err(BenchError::Unmet(format!("request {number} read wrong data")));
            }
        }
        let counts = bench.lab().take_counts();
        bench.lab().count_instructions(false);
        Ok(Workload {
            operations: self.operations,
            callbacks: cost::summarise(&counts),
        })
    }
}

impl Count {
    /// Rounds of `depth` requests at once, each round waited for.
    fn at_depth(
        &self,
        bench: &Bench,
        disk: Disk,
        depth: u32,
        direction: Direction,
        length: u32,
    ) -> Result<Workload, BenchError> {
        let buffers: Vec<DataBuffer> = (0..depth)
            .map(|_| {
                let memory = bench.lab().buffer(length as usize + PAGE as usize);
                memory
                    .map(|memory| page_of(&memory, length))
                    .map_err(|error| BenchError::Unmet(error.to_string()))
            })
            .collect::<Result<_, _>>()?;
        let blocks = length / disk.block;
        let places = (disk.requests * u64::from(LENGTH) / u64::from(length)).max(1);
        let rounds = self.operations.div_ceil(depth);
        for round in 0..=rounds {
            if round == 1 {
                let _ = bench.lab().take_counts();
                bench.lab().count_instructions(true);
            }
            let (sender, receiver) = std::sync::mpsc::channel();
            for (number, buffer) in (0_u64..).zip(&buffers) {
                let lba = number % places * u64::from(blocks);
                let cdb = match direction {
                    Direction::Out => cdb::write(Form::Ten, lba, blocks),
                    _ => cdb::read(Form::Ten, lba, blocks),
                };
                let command = Command {
                    processor: u32::try_from(number).unwrap_or(0) % self.processors,
                    unit: disk.unit,
                    cdb,
                    direction,
                    buffer: Some(buffer.clone()),
                    timeout: Duration::from_mins(1),
                };
                let sender = sender.clone();
                let done = Box::new(move |outcome| drop(sender.send(outcome)));
                bench.disk().submit(command, done);
            }
            for _ in &buffers {
                let outcome = bench
                    .disk()
                    .receive(&receiver, Duration::from_mins(2))
                    .ok_or_else(|| BenchError::Unmet(String::from("a request does not come back")))?;
                if !outcome.is_success() {
                    return Err(BenchError::Unmet(format!("a request failed: {outcome}")));
                }
            }
        }
        let counts = bench.lab().take_counts();
        bench.lab().count_instructions(false);
        Ok(Workload {
            operations: rounds * depth,
            callbacks: cost::summarise(&counts),
        })
    }
}

/// Where the requests go.
#[derive(Clone, Copy)]
struct Disk {
    unit: Address,
    /// Bytes of a block.
    block: u32,
    /// Requests that fit.
    requests: u64,
}

/// `length` bytes from a page's beginning on, in a buffer that is a page longer.
fn page_of(memory: &DataBuffer, length: u32) -> DataBuffer {
    let skip = memory.address().next_multiple_of(PAGE.into()) - memory.address();
    memory.slice(usize::try_from(skip).unwrap_or(0), length as usize)
}

fn print(workloads: &BTreeMap<String, Workload>) {
    for (name, workload) in workloads {
        let instructions: u64 = workload
            .callbacks
            .iter()
            .filter(|(callback, _)| **callback != Callback::Other)
            .map(|(_, cost)| cost.instructions)
            .sum();
        let tenths = instructions * 10 / u64::from(workload.operations.max(1));
        println!(
            "{name}: {} request(s), {}.{} instructions each",
            workload.operations,
            tenths / 10,
            tenths % 10
        );
        println!(
            "  {:<10} {:>6} {:>12} {:>11} {:>9}  instructions of a run (runs)",
            "callback", "runs", "instructions", "port calls", "registers"
        );
        for (callback, cost) in &workload.callbacks {
            let runs: Vec<String> = cost
                .distribution
                .iter()
                .take(6)
                .map(|runs| format!("{} ({})", runs.instructions, runs.runs))
                .collect();
            println!(
                "  {:<10} {:>6} {:>12} {:>11} {:>9}  {}",
                name_of(*callback),
                cost.invocations,
                cost.instructions,
                cost.port_calls.values().sum::<u64>(),
                cost.register_reads + cost.register_writes,
                runs.join(", ")
            );
        }
    }
}

fn name_of(callback: Callback) -> &'static str {
    match callback {
        Callback::BuildIo => "build_io",
        Callback::StartIo => "start_io",
        Callback::Interrupt => "interrupt",
        Callback::Dpc => "dpc",
        Callback::Other => "other",
    }
}
