//! Instructions, calls and register accesses of requests, each kind by itself.

use std::{collections::BTreeMap, sync::mpsc, time::Duration};

use portlab::{
    model::{Address, Callback, DataBuffer, Direction},
    workload::{
        cdb::{self, Form},
        cost::{self, CallbackCost},
        disk::{Command, Disk as _},
        progress::Silent,
    },
};
use serde::Serialize;

use super::held::Mover;
use crate::cli::bench::{Bench, BenchError, Setup};

const PAGE: u32 = 4096;
const LONG: u32 = 128 * 1024;
/// Requests that are counted at least.
const LEAST: u32 = 64;
/// How long the lab may take for what is waited for.
const PATIENCE: Duration = Duration::from_secs(40);

/// A kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Read4K,
    Write4K,
    Read128K,
}

impl Kind {
    fn length(self) -> u32 {
        match self {
            Self::Read4K | Self::Write4K => PAGE,
            Self::Read128K => LONG,
        }
    }

    fn direction(self) -> Direction {
        match self {
            Self::Read4K | Self::Read128K => Direction::In,
            Self::Write4K => Direction::Out,
        }
    }
}

/// What requests of a kind cost, all together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counted {
    operations: u32,
    callbacks: BTreeMap<Callback, CallbackCost>,
}

/// Instructions a request.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Split {
    pub(super) total: f64,
    pub(super) build_io: f64,
    pub(super) start_io: f64,
    pub(super) interrupt: f64,
    pub(super) dpc: f64,
}

impl Counted {
    fn each(&self, number: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "counts of a few thousand requests")]
        let number = number as f64;
        number / f64::from(self.operations.max(1))
    }

    fn of(&self, callback: Callback, what: impl Fn(&CallbackCost) -> u64) -> f64 {
        self.each(self.callbacks.get(&callback).map_or(0, what))
    }

    /// Instructions a request.
    pub(super) fn split(&self) -> Split {
        let of = |callback| self.of(callback, |cost| cost.instructions);
        let all = self.on_the_way().map(|(_, cost)| cost.instructions).sum();
        Split {
            total: self.each(all),
            build_io: of(Callback::BuildIo),
            start_io: of(Callback::StartIo),
            interrupt: of(Callback::Interrupt),
            dpc: of(Callback::Dpc),
        }
    }

    fn on_the_way(&self) -> impl Iterator<Item = (&Callback, &CallbackCost)> {
        self.callbacks
            .iter()
            .filter(|(callback, _)| **callback != Callback::Other)
    }

    /// Calls a request, by name.
    pub(super) fn port_calls(&self) -> BTreeMap<String, f64> {
        let mut calls: BTreeMap<String, u64> = BTreeMap::new();
        for (name, number) in self.on_the_way().flat_map(|(_, cost)| &cost.port_calls) {
            *calls.entry(name.clone()).or_default() += number;
        }
        calls
            .into_iter()
            .map(|(name, number)| (name, self.each(number)))
            .collect()
    }

    /// Register writes of `HwStorStartIo` a request.
    pub(super) fn submission_doorbells(&self) -> f64 {
        self.of(Callback::StartIo, |cost| cost.register_writes)
    }

    /// Register writes of DPCs a request.
    pub(super) fn completion_doorbells(&self) -> f64 {
        self.of(Callback::Dpc, |cost| cost.register_writes)
    }

    /// Register writes a request.
    pub(super) fn register_writes(&self) -> f64 {
        self.each(self.on_the_way().map(|(_, cost)| cost.register_writes).sum())
    }

    /// Requests for each run of the interrupt routine.
    pub(super) fn completions_per_interrupt(&self) -> f64 {
        1.0 / self.of(Callback::Interrupt, |cost| cost.invocations)
    }
}

/// Counts each kind with so many requests under way, in turn, on one adapter.
pub(super) fn measure(setup: Setup, workloads: &[(Kind, u32)]) -> Result<Vec<Counted>, BenchError> {
    let processors = setup.processors;
    let (device, mover) = Mover::open(&setup.device)?;
    let mut bench = Bench::put(device, setup)?;
    let result = count_all(&mut bench, &mover, processors, workloads);
    let removed = bench.remove();
    bench.observe();
    let counted = result?;
    removed?;
    if bench.observed.is_violation() {
        bench.observed.print();
        return Err(BenchError::Unmet(String::from("the driver broke rules")));
    }
    Ok(counted)
}

fn count_all(
    bench: &mut Bench,
    mover: &Mover,
    processors: u32,
    workloads: &[(Kind, u32)],
) -> Result<Vec<Counted>, BenchError> {
    bench.start(&Silent)?;
    let unit = bench
        .observed
        .startup
        .as_ref()
        .and_then(|startup| startup.disks().next())
        .ok_or(BenchError::NoDisk)?;
    let rounds = Rounds {
        bench,
        mover,
        processors,
        unit: unit.unit,
        block: unit.block_size.max(1),
    };
    let counted: Result<Vec<_>, _> = workloads
        .iter()
        .map(|(kind, depth)| rounds.count(*kind, *depth))
        .collect();
    let counted = counted?;
    bench.quiesce()?;
    Ok(counted)
}

/// Rounds of requests that are under way together.
struct Rounds<'a> {
    bench: &'a Bench,
    mover: &'a Mover,
    processors: u32,
    unit: Address,
    block: u32,
}

impl Rounds<'_> {
    /// Counts rounds of `depth` requests; the first one, in which a driver may do what it does once, is not counted.
    fn count(&self, kind: Kind, depth: u32) -> Result<Counted, BenchError> {
        let lab = self.bench.lab();
        let unmet = |text: &dyn std::fmt::Display| BenchError::Unmet(text.to_string());
        let length = kind.length() as usize;
        let buffers: Vec<DataBuffer> = (0..depth)
            .map(|_| lab.buffer(length + PAGE as usize).map_err(|error| unmet(&error)))
            .map(|memory| memory.map(|memory| from_page(&memory, length)))
            .collect::<Result<_, _>>()?;
        let rounds = LEAST.div_ceil(depth);
        for round in 0..=rounds {
            if round == 1 {
                let _ = lab.take_counts();
                lab.count_instructions(true);
            }
            self.round(kind, &buffers)?;
        }
        let counts = lab.take_counts();
        lab.count_instructions(false);
        Ok(Counted {
            operations: rounds * depth,
            callbacks: cost::summarise(&counts),
        })
    }

    /// One request with each buffer, sent by the processors in turn; then the controller moves until it has done them.
    fn round(&self, kind: Kind, buffers: &[DataBuffer]) -> Result<(), BenchError> {
        let unmet = |text: &str| BenchError::Unmet(text.to_owned());
        let lab = self.bench.lab();
        let blocks = kind.length() / self.block;
        let held = self.mover.hold();
        let issued = lab.statistics().srbs_issued + buffers.len() as u64;
        let (sender, receiver) = mpsc::channel();
        for (number, buffer) in (0_u32..).zip(buffers) {
            let lba = u64::from(number) * u64::from(blocks);
            let (cdb, fill) = match kind.direction() {
                Direction::Out => (cdb::write(Form::Ten, lba, blocks), pattern(number)),
                _ => (cdb::read(Form::Ten, lba, blocks), !pattern(number)),
            };
            buffer.fill(fill);
            let command = Command {
                processor: number % self.processors,
                unit: self.unit,
                cdb,
                direction: kind.direction(),
                buffer: Some(buffer.clone()),
                timeout: Duration::from_mins(1),
            };
            let sender = sender.clone();
            let done = Box::new(move |outcome| drop(sender.send(outcome)));
            self.bench.disk().submit(command, done);
        }
        if !lab.wait_until(PATIENCE, &mut || lab.statistics().srbs_issued >= issued) {
            return Err(unmet("requests are not issued"));
        }
        lab.settle();
        loop {
            let goes_on = held.turn();
            // The interrupt's DPC may be another processor's.
            lab.settle();
            lab.settle();
            if !goes_on {
                break;
            }
        }
        drop(held);
        for _ in buffers {
            let outcome = self.bench.disk().receive(&receiver, PATIENCE);
            let outcome = outcome.ok_or_else(|| unmet("a request does not come back"))?;
            if !outcome.is_success() {
                return Err(BenchError::Unmet(format!("a request failed: {outcome}")));
            }
        }
        // Which reads find what a round of writes has left.
        let wrong = |(number, buffer): (u32, &DataBuffer)| {
            let bytes = buffer.to_vec();
            bytes.iter().all(|byte| *byte == !pattern(number))
        };
        if kind == Kind::Read4K && (0_u32..).zip(buffers).any(wrong) {
            return Err(unmet("a read brought nothing"));
        }
        Ok(())
    }
}

/// What the buffer of request `number` is filled with.
fn pattern(number: u32) -> u8 {
    u8::try_from(number % 251).unwrap_or(0)
}

/// `length` bytes from a page's beginning on.
fn from_page(memory: &DataBuffer, length: usize) -> DataBuffer {
    let skip = memory.address().next_multiple_of(PAGE.into()) - memory.address();
    memory.slice(usize::try_from(skip).unwrap_or(0), length)
}
