//! What a workload needs of the machine under it: a port that takes requests. The lab is one; the tests have
//! another, made to misbehave.

use std::{sync::mpsc, time::Duration};

use crate::model::{Address, Direction, Limits, Outcome, ResetOutcome};

/// Memory that a request's data goes to or comes from.
pub trait Buffer: Clone + Send + 'static {
    /// Copies `data` into the buffer from `offset`.
    fn write(&self, offset: usize, data: &[u8]);
    /// Copies out of the buffer from `offset`.
    fn read(&self, offset: usize, out: &mut [u8]);
    /// Fills it.
    fn fill(&self, byte: u8);
}

/// A request.
#[derive(Debug, Clone)]
pub struct Command<B> {
    /// Virtual processor that issues it.
    pub processor: u32,
    /// The unit.
    pub unit: Address,
    /// The command descriptor block.
    pub cdb: Vec<u8>,
    /// Direction of the data.
    pub direction: Direction,
    /// The data.
    pub buffer: Option<B>,
    /// Time-out.
    pub timeout: Duration,
}

/// A request of the port driver's own, without a CDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// `SRB_FUNCTION_FLUSH`.
    Flush,
    /// `SRB_FUNCTION_SHUTDOWN`.
    Shutdown,
}

/// What a reset is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reset {
    /// `SRB_FUNCTION_RESET_LOGICAL_UNIT`.
    Unit(Address),
    /// `SRB_FUNCTION_RESET_DEVICE`: the unit's target.
    Target(Address),
    /// `HwStorResetBus`.
    Bus(u8),
}

/// Why a request could not even be made.
#[derive(Debug, thiserror::Error)]
#[error("no data buffer of {length} bytes: {reason}")]
pub struct BufferError {
    /// The length asked for.
    pub length: usize,
    /// The lab's reason.
    pub reason: String,
}

/// Something that takes requests.
pub trait Disk: Sync {
    /// Its data buffers.
    type Buffer: Buffer;

    /// Makes a data buffer.
    ///
    /// # Errors
    /// If the lab has no memory of that size.
    fn buffer(&self, length: usize) -> Result<Self::Buffer, BufferError>;

    /// Issues a request; `done` runs once, on any thread.
    fn submit(&self, command: Command<Self::Buffer>, done: Box<dyn FnOnce(Outcome) + Send>);

    /// Issues a request without CDB and waits for it.
    fn function(&self, function: Function, unit: Address) -> Outcome;

    /// Resets a bus, with whatever is in flight.
    fn reset_bus(&self, path: u8) -> ResetOutcome;

    /// Resets a bus behind one of the requests that `issue` makes, while that is in flight if it can be met there.
    fn reset_bus_behind(&self, path: u8, issue: &mut dyn FnMut()) -> ResetOutcome {
        issue();
        self.reset_bus(path)
    }

    /// Resets without waiting for it; `done` runs once with whether it succeeded, on any thread, and never blocks.
    fn submit_reset(&self, reset: Reset, done: Box<dyn FnOnce(bool) + Send>);

    /// The adapter's limits.
    fn limits(&self) -> Limits;

    /// Number of virtual processors.
    fn processors(&self) -> u32;

    /// The time by which its requests are timed.
    fn now(&self) -> Duration;

    /// Waits until `ready` says so; `false` if it does not for `timeout`. All waiting is done here: requests of a machine
    /// with virtual time go on only while somebody waits.
    fn wait(&self, timeout: Duration, ready: &mut dyn FnMut() -> bool) -> bool;

    /// Lets time pass.
    fn pause(&self, duration: Duration) {
        self.wait(duration, &mut || false);
    }

    /// Waits for a message; `None` if none comes for `timeout`.
    fn receive<T>(&self, receiver: &mpsc::Receiver<T>, timeout: Duration) -> Option<T> {
        let mut message = None;
        self.wait(timeout, &mut || {
            message = receiver.try_recv().ok();
            message.is_some()
        });
        message
    }

    /// Issues a request and waits for it.
    fn execute(&self, command: Command<Self::Buffer>) -> Outcome {
        let (sender, receiver) = mpsc::channel();
        self.submit(
            command,
            Box::new(move |completion| {
                let _ = sender.send(completion);
            }),
        );
        // A port that drops a request without completing it has broken its contract.
        self.receive(&receiver, Duration::MAX).unwrap_or(Outcome {
            srb_status: 0,
            scsi_status: 0,
            sense: Vec::new(),
            transferred: 0,
            elapsed: Duration::ZERO,
        })
    }
}
