//! What happened, in order: a hash of everything, and the latest events in words.

use std::{
    collections::VecDeque,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use crate::engine::LockName;

/// Events kept for reports, usually.
pub const KEPT: usize = 2048;

/// Something that the engine decided or was told.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Event {
    /// An activity goes on: the processors first, then the system's worker threads.
    Run(usize),
    /// An interrupt message is handled.
    Interrupt {
        /// Processor.
        processor: u32,
        /// Message.
        message: u16,
    },
    /// A DPC runs.
    Dpc(u32),
    /// A thread's work at DISPATCH_LEVEL runs.
    Thread(u32),
    /// A system worker thread takes work.
    Work(u32),
    /// A timer is due.
    Timer(u64),
    /// A device moves.
    Device(usize),
    /// Nothing can run: time passes.
    Passes(Duration),
    /// An activity waits for a lock.
    Contended(LockName),
    /// The driver is interrupted between two instructions.
    Stepped,
    /// The driver has come to no point for a long time of the host: the life does not replay for certain.
    Overdue,
    /// The model says what it does.
    Note(&'static str, [u64; 2]),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(unit) => write!(f, "activity {unit} goes on"),
            Self::Interrupt { processor, message } => {
                write!(f, "processor {processor}: interrupt message {message}")
            }
            Self::Dpc(processor) => write!(f, "processor {processor}: DPC"),
            Self::Thread(processor) => write!(f, "processor {processor}: thread"),
            Self::Work(processor) => write!(f, "processor {processor}: system worker thread"),
            Self::Timer(id) => write!(f, "timer {id} is due"),
            Self::Device(index) => write!(f, "device {index} moves"),
            Self::Passes(time) => write!(f, "nothing can run for {time:?}"),
            Self::Contended(lock) => write!(f, "waits for the {lock}"),
            Self::Stepped => f.write_str("preempted between two instructions"),
            Self::Overdue => f.write_str("no scheduling point for long"),
            Self::Note(what, [first, second]) => write!(f, "{what} {first:#x} {second:#x}"),
        }
    }
}

/// An event and when it happened.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Record {
    /// Its number.
    pub number: u64,
    /// Virtual time.
    pub at: Duration,
    /// What happened.
    pub event: Event,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>8} {:>14.6} ms  {}",
            self.number,
            self.at.as_secs_f64() * 1e3,
            self.event
        )
    }
}

/// The book of one life.
#[derive(Debug)]
pub(super) struct Events {
    hasher: DefaultHasher,
    count: u64,
    latest: VecDeque<Record>,
    keep: usize,
}

impl Events {
    pub(super) fn new(keep: usize) -> Self {
        Self {
            // Fixed keys: the same events give the same hash in every process of this build.
            hasher: DefaultHasher::new(),
            count: 0,
            latest: VecDeque::new(),
            keep,
        }
    }

    pub(super) fn add(&mut self, at: Duration, event: Event) {
        self.count += 1;
        let record = Record {
            number: self.count,
            at,
            event,
        };
        record.hash(&mut self.hasher);
        self.latest.push_back(record);
        if self.latest.len() > self.keep {
            self.latest.pop_front();
        }
    }

    /// Adds values to the hash that are no event of their own.
    pub(super) fn mix(&mut self, values: &[u64]) {
        values.hash(&mut self.hasher);
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    pub(super) fn latest(&self) -> Vec<Record> {
        self.latest.iter().cloned().collect()
    }
}
