//! Reads as fast as they go: so many at a time, each completion sends the next one from the processor that it arrived on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use super::cdb::{self, Form};
use crate::model::{Address, DataBuffer, Direction, Lab, Outcome, Request, Submitter};

/// Bytes of a write that prepares the area.
const CHUNK: u32 = 64 << 10;
/// Time-out of a request.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long outstanding reads may take to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is read, and how.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// The unit.
    pub unit: Address,
    /// Bytes of its logical blocks.
    pub block: u32,
    /// Bytes of the area at its beginning that is read; the preparation overwrites it.
    pub area: u64,
    /// Bytes of a read; a multiple of the block, at least 16.
    pub length: u32,
    /// Reads at a time.
    pub depth: u32,
    /// For how long.
    pub duration: Duration,
}

/// Why nothing could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadLoopError {
    /// There is no memory for the buffers.
    #[error("no memory for {0} bytes of buffers")]
    Memory(usize),
    /// The area cannot be prepared.
    #[error("preparing the area failed: {0}")]
    Write(String),
    /// A read failed.
    #[error("a read failed: {0}")]
    Read(String),
    /// A read brought other data than was written.
    #[error("{0} read(s) brought other data than was written")]
    Data(u64),
    /// Reads did not end.
    #[error("{0} read(s) did not end")]
    Hung(usize),
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reads {
    /// Reads that ended well.
    pub reads: u64,
    /// By the host's clock, from the first one sent to the last one ended.
    pub elapsed: Duration,
}

impl Reads {
    /// Reads a second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a rate of fewer than 2^52 reads")]
        let reads = self.reads as f64;
        reads / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// What the block of the area that begins at byte `offset` holds first and last: itself.
fn tag(offset: u64) -> [u8; 8] {
    (offset ^ 0x0066_6572_726f_0000).to_le_bytes()
}

/// What all reads share.
struct Loop {
    submitter: Submitter,
    plan: Plan,
    buffers: Vec<DataBuffer>,
    stop: AtomicBool,
    issued: AtomicU64,
    reads: AtomicU64,
    wrong: AtomicU64,
    under_way: AtomicUsize,
    failed: parking_lot::Mutex<Option<Outcome>>,
}

impl Loop {
    /// Sends the next read with one of the buffers.
    fn issue(self: &Arc<Self>, slot: usize) {
        let Some(buffer) = self.buffers.get(slot) else {
            return;
        };
        let places = self.plan.area / u64::from(self.plan.length);
        // A fixed stride that shares no factor with a power of two visits every place.
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let offset = number.wrapping_mul(0x9E37_79B1) % places * u64::from(self.plan.length);
        let this = Arc::clone(self);
        self.submitter.submit(
            Request {
                processor: 0,
                address: self.plan.unit,
                cdb: cdb::read(
                    Form::Ten,
                    offset / u64::from(self.plan.block),
                    self.plan.length / self.plan.block,
                ),
                direction: Direction::In,
                buffer: Some(buffer.clone()),
                timeout: TIMEOUT,
            },
            Box::new(move |outcome| this.ended(slot, offset, outcome)),
        );
    }

    fn ended(self: &Arc<Self>, slot: usize, offset: u64, outcome: Outcome) {
        if outcome.is_success() && outcome.transferred == self.plan.length {
            self.look(slot, offset);
            self.reads.fetch_add(1, Ordering::Relaxed);
        } else {
            self.stop.store(true, Ordering::Release);
            self.failed.lock().get_or_insert(outcome);
        }
        if self.stop.load(Ordering::Acquire) {
            self.under_way.fetch_sub(1, Ordering::AcqRel);
        } else {
            self.issue(slot);
        }
    }

    /// Whether the read brought what was written there.
    fn look(&self, slot: usize, offset: u64) {
        let Some(buffer) = self.buffers.get(slot) else {
            return;
        };
        let (mut first, mut last) = ([0; 8], [0; 8]);
        buffer.read(0, &mut first);
        buffer.read(buffer.len() - 8, &mut last);
        // The next read has to bring both again.
        buffer.write(0, &[0; 8]);
        buffer.write(buffer.len() - 8, &[0; 8]);
        if first != tag(offset) || last != tag(offset) {
            self.wrong.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Writes the tags that the reads look for.
fn prepare(lab: &Lab, plan: &Plan) -> Result<(), ReadLoopError> {
    let length = CHUNK.min(lab.limits().max_transfer) / plan.length * plan.length;
    let length = length.max(plan.length);
    let buffer = lab
        .buffer(length as usize)
        .map_err(|_| ReadLoopError::Memory(length as usize))?;
    let mut offset = 0;
    while offset < plan.area {
        let part = u64::from(length).min(plan.area - offset);
        for place in (0..part).step_by(plan.length as usize) {
            let at = usize::try_from(place).unwrap_or(0);
            buffer.write(at, &tag(offset + place));
            buffer.write(at + plan.length as usize - 8, &tag(offset + place));
        }
        let bytes = u32::try_from(part).unwrap_or(length);
        let outcome = lab.execute(Request {
            processor: 0,
            address: plan.unit,
            cdb: cdb::write(Form::Ten, offset / u64::from(plan.block), bytes / plan.block),
            direction: Direction::Out,
            buffer: Some(buffer.slice(0, bytes as usize)),
            timeout: TIMEOUT,
        });
        if !outcome.is_success() {
            return Err(ReadLoopError::Write(format!("{outcome:?}")));
        }
        offset += part;
    }
    // What is read comes from the medium.
    let flushed = lab.execute(Request {
        processor: 0,
        address: plan.unit,
        cdb: cdb::synchronize_cache_10(),
        direction: Direction::None,
        buffer: None,
        timeout: TIMEOUT,
    });
    if flushed.is_success() {
        Ok(())
    } else {
        Err(ReadLoopError::Write(format!("{flushed:?}")))
    }
}

/// Prepares the area, reads and looks at what came.
///
/// # Errors
/// See [`ReadLoopError`].
pub fn run(lab: &Lab, plan: &Plan) -> Result<Reads, ReadLoopError> {
    prepare(lab, plan)?;
    let buffers: Result<Vec<_>, _> = (0..plan.depth)
        .map(|_| lab.buffer(plan.length as usize))
        .collect();
    let bytes = plan.depth as usize * plan.length as usize;
    let buffers = buffers.map_err(|_| ReadLoopError::Memory(bytes))?;
    let reads = Arc::new(Loop {
        submitter: lab.submitter(),
        plan: *plan,
        under_way: AtomicUsize::new(buffers.len()),
        buffers,
        stop: AtomicBool::new(false),
        issued: AtomicU64::new(0),
        reads: AtomicU64::new(0),
        wrong: AtomicU64::new(0),
        failed: parking_lot::Mutex::new(None),
    });
    let began = lab.now();
    for slot in 0..reads.buffers.len() {
        reads.issue(slot);
    }
    // Who waits by the engine is woken by each request that ends.
    thread::sleep(plan.duration);
    reads.stop.store(true, Ordering::Release);
    lab.wait_until(PATIENCE, &mut || reads.under_way.load(Ordering::Acquire) == 0);
    let elapsed = lab.now().saturating_sub(began);
    if let Some(outcome) = reads.failed.lock().take() {
        return Err(ReadLoopError::Read(format!("{outcome:?}")));
    }
    match (
        reads.under_way.load(Ordering::Acquire),
        reads.wrong.load(Ordering::Acquire),
    ) {
        (0, 0) => Ok(Reads {
            reads: reads.reads.load(Ordering::Acquire),
            elapsed,
        }),
        (0, wrong) => Err(ReadLoopError::Data(wrong)),
        (left, _) => Err(ReadLoopError::Hung(left)),
    }
}
