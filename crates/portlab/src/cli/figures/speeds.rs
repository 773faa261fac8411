//! What takes time: a million reads, QEMU's controller, the first read.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use portlab::{
    device::spec::DeviceSpec,
    model::{Direction, Request},
    trap,
    workload::{
        cdb::{self, Form},
        progress::Silent,
        read_loop::{self, Plan},
    },
};
use serde::Serialize;

use crate::cli::bench::{Bench, BenchError, Setup};

const LENGTH: u32 = 4096;
/// Bytes that are read, over and over.
const AREA: u64 = 16 << 20;
const DEPTH: u32 = 32;
/// One part of a million reads.
const PART: Duration = Duration::from_secs(2);
/// Parts at most: on a slow machine fewer reads have to do.
const PARTS: u32 = 60;

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Speeds {
    /// From `HwStorFindAdapter` until the first read ended, milliseconds; the start-up commands of Windows are within.
    first_read_ms: f64,
    /// Reads during which calls were counted.
    reads: u64,
    /// Calls of functions that allocate or free memory during these.
    pool_calls: u64,
    /// All calls during these, by name, for each read.
    calls_per_read: BTreeMap<&'static str, f64>,
    reads_per_second: f64,
    /// On QEMU's controller at depth 32.
    qemu_iops: f64,
    qemu_register_writes_per_io: f64,
    /// On a controller with shadow doorbells that moves by itself.
    shadow_register_writes_per_io: f64,
}

/// Whether a function of the DDI takes or gives back memory.
fn allocates(name: &str) -> bool {
    [
        "Pool",
        "AllocateContiguous",
        "FreeContiguous",
        "AllocateHostMemory",
        "FreeHostMemory",
        "Mdl",
        "PhysicalMemory",
    ]
    .iter()
    .any(|part| name.contains(part))
}

fn per(number: u64, reads: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let (number, reads) = (number as f64, reads.max(1) as f64);
    number / reads
}

/// An adapter that reads.
struct Reading {
    bench: Bench,
    plan: Plan,
    first_read: Duration,
}

impl Reading {
    fn start(setup: Setup) -> Result<Self, BenchError> {
        let mut bench = Bench::load(setup)?;
        let began = Instant::now();
        bench.start(&Silent)?;
        let disk = bench
            .observed
            .startup
            .as_ref()
            .and_then(|startup| startup.disks().next())
            .map(|disk| (disk.unit, disk.block_size));
        let (unit, block) = disk.ok_or(BenchError::NoDisk)?;
        let lab = bench.lab();
        let buffer = lab
            .buffer(LENGTH as usize)
            .map_err(|error| BenchError::Unmet(error.to_string()))?;
        let outcome = lab.execute(Request {
            processor: 0,
            address: unit,
            cdb: cdb::read(Form::Ten, 0, LENGTH / block),
            direction: Direction::In,
            buffer: Some(buffer),
            timeout: Duration::from_secs(10),
        });
        if !outcome.is_success() {
            return Err(BenchError::Unmet(format!("the first read: {outcome:?}")));
        }
        let plan = Plan {
            unit,
            block,
            area: AREA.min(bench.capacity()),
            length: LENGTH,
            depth: DEPTH,
            duration: PART,
        };
        Ok(Self {
            bench,
            plan,
            first_read: began.elapsed(),
        })
    }

    fn read(&self) -> Result<read_loop::Reads, BenchError> {
        read_loop::run(self.bench.lab(), &self.plan).map_err(|error| BenchError::Unmet(error.to_string()))
    }

    /// Reads once and tells how many a second, and how many register writes each took.
    fn rate(&self) -> Result<(f64, f64), BenchError> {
        let before = trap::statistics().writes;
        let reads = self.read()?;
        Ok((
            reads.per_second(),
            per(trap::statistics().writes - before, reads.reads),
        ))
    }

    fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.bench.lab().calls().into_iter().collect()
    }

    fn end(mut self) -> Result<(), BenchError> {
        let ended = self.bench.quiesce();
        let removed = self.bench.remove();
        self.bench.observe();
        ended.and(removed)?;
        if self.bench.observed.is_violation() {
            self.bench.observed.print();
            return Err(BenchError::Unmet(String::from("the driver broke rules")));
        }
        Ok(())
    }
}

/// Measures; `setup` puts the driver on a device.
pub(super) fn measure(wanted: u64, setup: impl Fn(DeviceSpec) -> Setup) -> Result<Speeds, BenchError> {
    let device = |text: &str| -> Result<DeviceSpec, BenchError> {
        text.parse()
            .map_err(|error| BenchError::Unmet(format!("{text}: {error}")))
    };
    let lab = Reading::start(setup(device("lab:nvme,size=64M")?))?;
    let first_read = lab.first_read;
    let before = lab.calls();
    let (mut reads, mut elapsed) = (0, Duration::ZERO);
    for _ in 0..PARTS {
        if reads >= wanted {
            break;
        }
        let part = lab.read()?;
        reads += part.reads;
        elapsed += part.elapsed;
    }
    let mut calls = lab.calls();
    for (name, number) in &mut calls {
        *number -= before.get(name).copied().unwrap_or(0);
    }
    lab.end()?;
    let qemu = Reading::start(setup(device("qemu:nvme,size=64M")?))?;
    let (qemu_iops, qemu_register_writes_per_io) = qemu.rate()?;
    qemu.end()?;
    let shadow = Reading::start(setup(device("lab:nvme,size=64M,shadow=on")?))?;
    let (_, shadow_register_writes_per_io) = shadow.rate()?;
    shadow.end()?;
    Ok(Speeds {
        first_read_ms: first_read.as_secs_f64() * 1e3,
        reads,
        pool_calls: calls
            .iter()
            .filter(|(name, _)| allocates(name))
            .map(|(_, number)| number)
            .sum(),
        calls_per_read: calls
            .iter()
            .filter(|(_, number)| **number != 0)
            .map(|(name, number)| (*name, per(*number, reads)))
            .collect(),
        reads_per_second: per(reads, 1) / elapsed.as_secs_f64().max(1e-9),
        qemu_iops,
        qemu_register_writes_per_io,
        shadow_register_writes_per_io,
    })
}

impl fmt::Display for Speeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "first read after {:.0} ms", self.first_read_ms)?;
        writeln!(
            f,
            "{} reads ({:.0} a second): {} call(s) of memory functions",
            self.reads, self.reads_per_second, self.pool_calls
        )?;
        write!(
            f,
            "QEMU's controller at depth {DEPTH}: {:.0} reads a second, {:.3} register writes each; shadow doorbells: {:.3}",
            self.qemu_iops, self.qemu_register_writes_per_io, self.shadow_register_writes_per_io
        )
    }
}
