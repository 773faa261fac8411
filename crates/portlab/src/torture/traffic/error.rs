//! What may be wrong with a life's requests.

use std::time::Duration;

use super::super::ledger::Lost;

/// What is wrong with a life's requests.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrafficError {
    /// A block does not hold what it must.
    #[error("{0}: {1}")]
    Data(String, Lost),
    /// A request failed, and nothing in the plan excuses it.
    #[error("{what} failed with no cause: {outcome}")]
    Failed {
        /// The request.
        what: String,
        /// How it ended.
        outcome: String,
    },
    /// It succeeded with another number of bytes.
    #[error("{what} moved {moved} of {expected} bytes")]
    Short {
        /// The request.
        what: String,
        /// Bytes that it reported.
        moved: u32,
        /// Bytes that it was for.
        expected: u32,
    },
    /// It was answered, and the answer cannot be.
    #[error("the answer to {what} is wrong: {why}")]
    Answer {
        /// The request.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// A comparison came out as it must not.
    #[error("{what} {how}")]
    Compared {
        /// The request.
        what: String,
        /// How it came out.
        how: &'static str,
    },
    /// It took longer than its time-out and all resets that may follow.
    #[error("{what} took {elapsed:?}")]
    Late {
        /// The request.
        what: String,
        /// How long.
        elapsed: Duration,
    },
    /// It never ended.
    #[error("{count} request(s) never ended, {what} first")]
    Stuck {
        /// How many.
        count: usize,
        /// The oldest.
        what: String,
    },
    /// The device wrote to a buffer that the driver had given back.
    #[error("the buffer of {0} was written to after the request had ended")]
    WrittenAfterwards(String),
    /// A unit does not answer any more.
    #[error("unit {unit} does not work any more: {outcome}")]
    Dead {
        /// The unit.
        unit: u8,
        /// What it answered last.
        outcome: String,
    },
    /// The lab has no memory.
    #[error("the lab has no buffer of {0} bytes")]
    Buffer(usize),
}
