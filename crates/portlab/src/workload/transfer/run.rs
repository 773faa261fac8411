//! The traffic itself: one thread keeps the queue full and judges what comes back.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::mpsc::{Receiver, Sender, channel},
    time::Duration,
};

use super::{
    Incident, Options, Phase, Source, Traffic, TrafficError,
    plan::{self, Job, Shape},
};
use crate::{
    model::{Address, Direction, Outcome},
    workload::{
        cdb,
        disk::{Buffer as _, Command, Disk},
        progress::Progress,
        startup::UnitReport,
        status::Verdict,
    },
};

/// How often a request is tried again.
const RETRIES: u32 = 32;
/// How often a reset that met nothing in flight is made again.
const FRUITLESS_RESETS: u32 = 8;
/// What a read's buffer holds before: a transfer that did not happen shows.
const FILL: u8 = 0xa5;
/// A queue from which nothing comes back for this long is stuck. Above every time-out that the lab applies.
const PATIENCE: Duration = Duration::from_secs(90);

/// Writes the source to the start of the unit, then reads it back and compares.
///
/// # Errors
/// On the first thing that goes wrong; what is in flight then is waited for.
pub fn run<D: Disk>(
    disk: &D,
    unit: &UnitReport,
    source: &Source,
    options: &Options<'_>,
    progress: &dyn Progress,
) -> Result<Traffic, TrafficError> {
    let block = u64::from(unit.block_size.max(1));
    let blocks = source.length() / block;
    if source.length() > unit.capacity() {
        return Err(TrafficError::TooSmall {
            capacity: unit.capacity(),
            needed: source.length(),
        });
    }
    let shape = Shape {
        block_size: unit.block_size.max(1),
        max_transfer: disk.limits().max_transfer,
        processors: disk.processors(),
    };
    let mut traffic = Traffic::default();
    for phase in [Phase::Write, Phase::Read] {
        // Another seed for reading: its requests cross the borders of the writes.
        let seed = options
            .seed
            .wrapping_mul(2)
            .wrapping_add(u64::from(phase == Phase::Read));
        let jobs = plan::cover(blocks, shape, seed);
        progress.begin(phase.name(), blocks * block);
        let started = disk.now();
        let result = Run::new(disk, unit, source, options, progress, phase, &mut traffic).drive(jobs);
        progress.end();
        result?;
        let seconds = disk.now().saturating_sub(started).as_secs_f64();
        match phase {
            Phase::Write => traffic.write_seconds = seconds,
            Phase::Read => traffic.read_seconds = seconds,
        }
    }
    Ok(traffic)
}

/// A request that can be issued: its id, what is remembered of it, and the request itself.
type Ready<B> = (u64, Flight<B>, Command<B>);

/// A request in flight.
struct Flight<B> {
    job: Job,
    attempt: u32,
    buffer: B,
}

struct Run<'a, D: Disk> {
    disk: &'a D,
    unit: Address,
    block: u32,
    source: &'a Source,
    options: &'a Options<'a>,
    progress: &'a dyn Progress,
    phase: Phase,
    traffic: &'a mut Traffic,
    flights: BTreeMap<u64, Flight<D::Buffer>>,
    next_id: u64,
    sender: Sender<(u64, Outcome)>,
    receiver: Receiver<(u64, Outcome)>,
    /// Bytes of the phase that are done.
    done: u64,
    /// Incidents of the phase that already happened.
    happened: Vec<bool>,
    /// Resets in a row that met nothing in flight.
    fruitless: u32,
}

impl<'a, D: Disk> Run<'a, D> {
    fn new(
        disk: &'a D,
        unit: &UnitReport,
        source: &'a Source,
        options: &'a Options<'a>,
        progress: &'a dyn Progress,
        phase: Phase,
        traffic: &'a mut Traffic,
    ) -> Self {
        let (sender, receiver) = channel();
        Self {
            disk,
            unit: unit.unit,
            block: unit.block_size.max(1),
            source,
            options,
            progress,
            phase,
            traffic,
            flights: BTreeMap::new(),
            next_id: 0,
            sender,
            receiver,
            done: 0,
            happened: vec![false; options.incidents.len()],
            fruitless: 0,
        }
    }

    fn drive(&mut self, jobs: Vec<Job>) -> Result<(), TrafficError> {
        let total: u64 = jobs
            .iter()
            .map(|job| u64::from(job.blocks) * u64::from(self.block))
            .sum();
        let mut queue: VecDeque<(Job, u32)> = jobs.into_iter().map(|job| (job, 0)).collect();
        let mut paused: VecDeque<(Duration, Job, u32)> = VecDeque::new();
        let result = self.pump(total, &mut queue, &mut paused);
        if result.is_err() {
            self.settle();
        }
        result
    }

    fn pump(
        &mut self,
        total: u64,
        queue: &mut VecDeque<(Job, u32)>,
        paused: &mut VecDeque<(Duration, Job, u32)>,
    ) -> Result<(), TrafficError> {
        loop {
            while paused.front().is_some_and(|(due, ..)| *due <= self.disk.now()) {
                if let Some((_, job, attempt)) = paused.pop_front() {
                    queue.push_front((job, attempt));
                }
            }
            self.calls(total);
            if self.due(total).is_none() {
                // A reset to come keeps one request for itself to meet.
                let kept = usize::from(self.awaits_reset() && !self.flights.is_empty());
                self.fill(queue, kept)?;
            } else {
                if queue.is_empty() && self.fruitless > 0 {
                    // Nothing is left that another try could meet.
                    self.fruitless = FRUITLESS_RESETS;
                }
                self.reset(total, queue)?;
            }
            if self.flights.is_empty() && paused.is_empty() {
                return Ok(());
            }
            let wait = paused
                .front()
                .map_or(PATIENCE, |(due, ..)| due.saturating_sub(self.disk.now()));
            match self.disk.receive(&self.receiver, wait) {
                Some((id, completion)) => {
                    if let Some((job, attempt, pause)) = self.complete(id, completion)? {
                        self.traffic.retries += 1;
                        if pause.is_zero() {
                            queue.push_front((job, attempt));
                        } else {
                            paused.push_back((self.disk.now() + pause, job, attempt));
                        }
                    }
                }
                None if !paused.is_empty() => {}
                None => {
                    let seconds = PATIENCE.as_secs();
                    return Err(TrafficError::Stuck {
                        phase: self.phase,
                        outstanding: self.flights.len(),
                        seconds,
                    });
                }
            }
        }
    }

    /// Whether a reset of this phase is still to come.
    fn awaits_reset(&self) -> bool {
        let incidents = self.options.incidents.iter().zip(&self.happened);
        incidents
            .filter(|(_, happened)| !**happened)
            .any(|((when, _, what), _)| *when == self.phase && matches!(what, Incident::ResetBus))
    }

    /// Fills the queue: makes as many requests ready as there is room for, then issues them; so many are kept back.
    fn fill(&mut self, queue: &mut VecDeque<(Job, u32)>, kept: usize) -> Result<(), TrafficError> {
        let room = self
            .options
            .depth
            .max(1)
            .saturating_sub(self.flights.len())
            .min(queue.len().saturating_sub(kept));
        let mut ready = Vec::with_capacity(room);
        for (job, attempt) in queue.drain(..room) {
            ready.push(self.prepare(job, attempt)?);
        }
        for (id, flight, command) in ready {
            self.flights.insert(id, flight);
            self.traffic.requests += 1;
            let sender = self.sender.clone();
            let done = move |outcome| {
                // The receiver outlives the phase, unless the phase gave up on this request.
                let _ = sender.send((id, outcome));
            };
            self.disk.submit(command, Box::new(done));
        }
        Ok(())
    }

    fn prepare(&mut self, job: Job, attempt: u32) -> Result<Ready<D::Buffer>, TrafficError> {
        let length = job.blocks as usize * self.block as usize;
        // A new buffer for each try: what a stale request still moved would go to memory that is not ours.
        let buffer = self.disk.buffer(length)?;
        let mut data = vec![FILL; length];
        let (cdb, direction) = match self.phase {
            Phase::Write => {
                self.source.read_at(&mut data, job.lba * u64::from(self.block))?;
                (cdb::write(job.form, job.lba, job.blocks), Direction::Out)
            }
            Phase::Read => (cdb::read(job.form, job.lba, job.blocks), Direction::In),
        };
        buffer.write(0, &data);
        let id = self.next_id;
        self.next_id += 1;
        let command = Command {
            processor: job.processor,
            unit: self.unit,
            cdb,
            direction,
            buffer: Some(buffer.clone()),
            timeout: self.options.timeout,
        };
        Ok((id, Flight { job, attempt, buffer }, command))
    }

    /// Judges one completion: `Some` means that the request is to be issued again after a pause.
    fn complete(
        &mut self,
        id: u64,
        completion: Outcome,
    ) -> Result<Option<(Job, u32, Duration)>, TrafficError> {
        let Some(Flight { job, attempt, buffer }) = self.flights.remove(&id) else {
            return Ok(None);
        };
        let length = job.blocks * self.block;
        match completion.verdict() {
            Verdict::Done if completion.transferred != length => Err(TrafficError::Short {
                phase: self.phase,
                lba: job.lba,
                moved: completion.transferred,
                expected: length,
            }),
            Verdict::Done => {
                match self.phase {
                    Phase::Write => self.traffic.bytes_written += u64::from(length),
                    Phase::Read => {
                        self.compare(job, &buffer)?;
                        self.traffic.bytes_verified += u64::from(length);
                    }
                }
                self.done += u64::from(length);
                self.progress.advance(length.into());
                Ok(None)
            }
            Verdict::Retry(pause) if attempt < RETRIES => Ok(Some((job, attempt + 1, pause))),
            Verdict::Retry(_) | Verdict::Failed => Err(TrafficError::Failed {
                phase: self.phase,
                lba: job.lba,
                blocks: job.blocks,
                attempt: attempt + 1,
                completion,
            }),
        }
    }

    fn compare(&self, job: Job, buffer: &D::Buffer) -> Result<(), TrafficError> {
        let start = job.lba * u64::from(self.block);
        let length = job.blocks as usize * self.block as usize;
        let mut found = vec![0; length];
        buffer.read(0, &mut found);
        let mut expected = vec![0; length];
        self.source.read_at(&mut expected, start)?;
        if found == expected {
            return Ok(());
        }
        let first = found
            .iter()
            .zip(&expected)
            .position(|(found, expected)| found != expected)
            .unwrap_or(0);
        Err(TrafficError::Mismatch {
            offset: start + first as u64,
            expected: expected[first],
            found: found[first],
        })
    }

    /// The incidents that are due: their indices.
    fn overdue(&self, total: u64) -> impl Iterator<Item = usize> {
        let Self {
            options,
            phase,
            happened,
            done,
            ..
        } = self;
        options
            .incidents
            .iter()
            .enumerate()
            .filter_map(move |(index, (when, permille, _))| {
                let due = when == phase && !happened[index] && done * 1000 >= total * u64::from(*permille);
                due.then_some(index)
            })
    }

    /// The first reset that is due.
    fn due(&self, total: u64) -> Option<usize> {
        self.overdue(total)
            .find(|index| matches!(self.options.incidents[*index].2, Incident::ResetBus))
    }

    /// Makes the calls that are due.
    fn calls(&mut self, total: u64) {
        let due: Vec<usize> = self.overdue(total).collect();
        for index in due {
            if let Incident::Call(call) = self.options.incidents[index].2 {
                self.happened[index] = true;
                call();
            }
        }
    }

    /// Fills the queue, and resets the bus behind what was issued.
    fn reset(&mut self, total: u64, queue: &mut VecDeque<(Job, u32)>) -> Result<(), TrafficError> {
        let Some(index) = self.due(total) else {
            return Ok(());
        };
        if self.fruitless >= FRUITLESS_RESETS {
            self.happened[index] = true;
            self.fruitless = 0;
            return Ok(());
        }
        let (disk, path) = (self.disk, self.unit.path);
        let mut filled = Ok(());
        let reset = if queue.is_empty() {
            disk.reset_bus(path)
        } else {
            disk.reset_bus_behind(path, &mut || filled = self.fill(queue, 0))
        };
        filled?;
        self.fruitless = if reset.completed == 0 {
            self.fruitless + 1
        } else {
            0
        };
        // A fast device may have been done with everything: then the reset is made again.
        self.happened[index] = reset.completed > 0;
        self.traffic.resets += 1;
        self.traffic.in_flight_at_reset += reset.completed as u64;
        let in_flight = reset.completed + reset.left_behind;
        self.progress
            .note(&format!("bus reset with {in_flight} request(s) in flight"));
        if !reset.success {
            return Err(TrafficError::ResetFailed);
        }
        if reset.left_behind > 0 {
            return Err(TrafficError::LeftBehind(reset.left_behind));
        }
        Ok(())
    }

    /// Waits for what is in flight, so that nothing is outstanding when the error is reported.
    fn settle(&mut self) {
        let deadline = self.disk.now() + Duration::from_secs(30);
        while !self.flights.is_empty() {
            let rest = deadline.saturating_sub(self.disk.now());
            let Some((id, _)) = self.disk.receive(&self.receiver, rest) else {
                return;
            };
            self.flights.remove(&id);
        }
    }
}
