//! Verified traffic: real file data goes to the disk in a mix of sizes at a queue depth over several virtual
//! processors, the bus is reset in the middle, and everything is read back and compared.

pub mod outside;
pub mod plan;
mod run;
pub mod source;
#[cfg(test)]
mod tests;

use std::{io, time::Duration};

pub use self::{run::run, source::Source};
use super::disk::BufferError;
use crate::model::Outcome;

/// What is done with the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Writing.
    Write,
    /// Reading back.
    Read,
}

impl Phase {
    const fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read => "read back",
        }
    }
}

/// Something that happens in the middle of the traffic.
pub enum Incident<'a> {
    /// A reset of the bus with whatever is in flight.
    ResetBus,
    /// Anything else.
    Call(&'a (dyn Fn() + Sync)),
}

/// What traffic to make.
pub struct Options<'a> {
    /// Requests in flight.
    pub depth: usize,
    /// Seed of sizes, order and processors.
    pub seed: u64,
    /// Time-out of a request, as the class driver sets it.
    pub timeout: Duration,
    /// What happens meanwhile, and after how many thousandths of a phase.
    pub incidents: Vec<(Phase, u32, Incident<'a>)>,
}

impl Options<'_> {
    /// Traffic without incidents.
    #[must_use]
    pub fn quiet(seed: u64) -> Self {
        Self {
            depth: 32,
            seed,
            timeout: Duration::from_secs(10),
            incidents: Vec::new(),
        }
    }
}

/// What the traffic came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct Traffic {
    /// Bytes that were acknowledged as written.
    pub bytes_written: u64,
    /// Bytes that were read back and found equal.
    pub bytes_verified: u64,
    /// Requests that were issued, repeated ones included.
    pub requests: u64,
    /// Requests that came back to be tried again and were.
    pub retries: u64,
    /// Bus resets.
    pub resets: u64,
    /// Requests that were in flight when the bus was reset.
    pub in_flight_at_reset: u64,
    /// Seconds of writing and of reading.
    pub write_seconds: f64,
    /// Seconds of reading.
    pub read_seconds: f64,
}

/// What went wrong with the traffic.
#[derive(Debug, thiserror::Error)]
pub enum TrafficError {
    /// The unit is smaller than the data.
    #[error("the disk holds {capacity} bytes, {needed} are to be written: make it larger with size=")]
    TooSmall {
        /// Its capacity in bytes.
        capacity: u64,
        /// The length of the data in bytes.
        needed: u64,
    },
    /// A request failed for good.
    #[error("{command} of {blocks} blocks at block {lba} failed: {completion} (attempt {attempt})", command = phase.name())]
    Failed {
        /// What was done.
        phase: Phase,
        /// First block.
        lba: u64,
        /// Number of blocks.
        blocks: u32,
        /// How often it had been tried.
        attempt: u32,
        /// How it came back.
        completion: Outcome,
    },
    /// A request succeeded but moved another number of bytes.
    #[error("{command} at block {lba} succeeded but moved {moved} of {expected} bytes", command = phase.name())]
    Short {
        /// What was done.
        phase: Phase,
        /// First block.
        lba: u64,
        /// Bytes it reported.
        moved: u32,
        /// Bytes it should have moved.
        expected: u32,
    },
    /// What was read is not what was written.
    #[error("byte {offset} reads back as {found:#04x}, {expected:#04x} was written")]
    Mismatch {
        /// Offset on the disk in bytes.
        offset: u64,
        /// What was written.
        expected: u8,
        /// What came back.
        found: u8,
    },
    /// Requests were never completed.
    #[error("{outstanding} request(s) of the {command} phase were not completed within {seconds} s", command = phase.name())]
    Stuck {
        /// What was done.
        phase: Phase,
        /// How many.
        outstanding: usize,
        /// How long nothing came back.
        seconds: u64,
    },
    /// The driver's bus reset reported failure.
    #[error("the bus reset failed")]
    ResetFailed,
    /// The bus reset returned with requests of the bus still outstanding.
    #[error("the bus reset left {0} request(s) behind")]
    LeftBehind(usize),
    /// The lab has no buffer.
    #[error(transparent)]
    Buffer(#[from] BufferError),
    /// The snapshot cannot be read.
    #[error("the data's snapshot cannot be read: {0}")]
    Snapshot(#[from] io::Error),
}
