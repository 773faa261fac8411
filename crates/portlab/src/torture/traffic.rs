//! Requests in flight, each judged when it is over.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::mpsc::{Receiver, Sender, channel},
    time::Duration,
};

use fastrand::Rng;
use nvme_controller::fault::Kind;

use super::{
    ledger::{Ended, Ledger, Lost, Stamp},
    pattern::{self, Content, Version},
    plan::Plan,
};
use crate::{
    device::in_process::InProcessNvme,
    model::{Address, DataBuffer, Direction, Lab, Outcome, Request, SrbFunction},
    workload::{
        cdb::{self, Form},
        disk::Disk as _,
        lab_disk::LabDisk,
        status::Verdict,
    },
};

/// What a request may take beyond its time-out: the resets that follow, of which each has its own, and the recovery.
const ESCALATION: Duration = Duration::from_secs(200);
/// Buffers that came back and are watched.
const WATCHED: usize = 64;
/// What a buffer holds that is not the driver's any more.
const POISON: u8 = 0xdb;
/// How often a unit is tried before it counts as dead, and how long apart.
const TRIES: u32 = 240;
const APART: Duration = Duration::from_millis(250);
/// Force Unit Access in READ and WRITE.
const FUA: u8 = 0x08;

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
    /// It succeeded with fewer bytes.
    #[error("{what} moved {moved} of {expected} bytes")]
    Short {
        /// The request.
        what: String,
        /// Bytes that it reported.
        moved: u32,
        /// Bytes that it was for.
        expected: u32,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Read,
    Write { version: Version, through: bool },
    Flush,
    Other,
}

struct Flight {
    unit: u8,
    op: Op,
    block: u64,
    count: u64,
    begun: Stamp,
    buffer: Option<DataBuffer>,
}

impl Flight {
    fn describe(&self) -> String {
        let Self {
            unit, block, count, ..
        } = self;
        match self.op {
            Op::Read => format!("READ of {count} block(s) at {block} of unit {unit}"),
            Op::Write { version, through } => {
                let through = if through { " with FUA" } else { "" };
                format!("WRITE{through} {version} of {count} block(s) at {block} of unit {unit}")
            }
            Op::Flush => format!("flush of unit {unit}"),
            Op::Other => format!("a command to unit {unit}"),
        }
    }
}

/// What the requests came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests.
    pub requests: u64,
    /// Of those, the ones that succeeded.
    pub succeeded: u64,
    /// The ones to be tried again, as after a reset.
    pub retried: u64,
    /// The ones that failed.
    pub failed: u64,
}

/// The requests of a life.
pub struct Traffic<'a> {
    lab: &'a Lab,
    device: &'a InProcessNvme,
    plan: &'a Plan,
    /// Power cuts of the controller's plan that the ledgers know of.
    cuts: u64,
    random: Rng,
    ledgers: Vec<Ledger>,
    flights: BTreeMap<u64, Flight>,
    /// Buffers that were read into, and whose they were.
    watched: VecDeque<(DataBuffer, String)>,
    next_id: u64,
    version: Version,
    largest: u64,
    sender: Sender<(u64, Outcome)>,
    receiver: Receiver<(u64, Outcome)>,
    /// No request may fail from now on but by being absent: the controller has gone, or is to go.
    pub gone: bool,
    /// What they came to.
    pub tally: Tally,
}

impl<'a> Traffic<'a> {
    /// No request yet, on a machine whose adapter has started.
    #[must_use]
    pub fn new(lab: &'a Lab, device: &'a InProcessNvme, plan: &'a Plan, seed: u64) -> Self {
        let (sender, receiver) = channel();
        let block = u64::from(plan.device.backing.block);
        let blocks = usize::try_from(plan.blocks).unwrap_or(0);
        let limits = LabDisk::new(lab, plan.processors).limits();
        Self {
            lab,
            device,
            plan,
            cuts: 0,
            random: Rng::with_seed(seed ^ 0x10ad),
            ledgers: (0..plan.device.backing.units)
                .map(|unit| Ledger::new(unit, blocks))
                .collect(),
            flights: BTreeMap::new(),
            watched: VecDeque::new(),
            next_id: 0,
            version: 0,
            largest: (u64::from(limits.max_transfer) / block).clamp(1, plan.blocks / 2),
            sender,
            receiver,
            gone: false,
            tally: Tally::default(),
        }
    }

    fn disk(&self) -> LabDisk<'a> {
        LabDisk::new(self.lab, self.plan.processors)
    }

    /// Makes `count` more requests, at the plan's depth; what is in flight then stays so.
    ///
    /// # Errors
    /// On the first thing that is wrong.
    pub fn run(&mut self, count: u32) -> Result<(), TrafficError> {
        for _ in 0..count {
            while self.flights.len() >= self.plan.depth {
                self.collect_one()?;
            }
            self.submit_any()?;
        }
        Ok(())
    }

    /// Waits for everything in flight.
    ///
    /// # Errors
    /// On the first thing that is wrong.
    pub fn drain(&mut self) -> Result<(), TrafficError> {
        while !self.flights.is_empty() {
            self.collect_one()?;
        }
        self.look_at_buffers()
    }

    /// The volatile cache may be lost at this moment.
    pub fn power_cut(&mut self) {
        for ledger in &mut self.ledgers {
            ledger.power_cut();
        }
    }

    /// The plan may cut the power at any moment. What was judged before this was acknowledged before the cut.
    fn notice_power_cuts(&mut self) {
        let cuts = self.device.injected(Kind::PowerCut);
        if cuts != self.cuts {
            self.cuts = cuts;
            self.power_cut();
        }
    }

    /// The adapter is removed: everything has ended.
    ///
    /// # Errors
    /// If something has not, or on anything else that is wrong.
    pub fn removed(&mut self) -> Result<(), TrafficError> {
        self.gone = true;
        while let Ok((id, outcome)) = self.receiver.try_recv() {
            if let Some(flight) = self.flights.remove(&id) {
                self.judge(&flight, &outcome)?;
            }
        }
        match self.flights.values().next() {
            None => self.look_at_buffers(),
            Some(first) => Err(TrafficError::Stuck {
                count: self.flights.len(),
                what: first.describe(),
            }),
        }
    }

    /// Flushes each unit, as the class driver does before a shutdown.
    ///
    /// # Errors
    /// On the first thing that is wrong.
    pub fn flush_all(&mut self) -> Result<(), TrafficError> {
        for unit in 0..self.plan.device.backing.units {
            for function in [SrbFunction::Flush, SrbFunction::Shutdown] {
                self.notice_power_cuts();
                let begun = self.ledgers[usize::from(unit)].begin();
                let outcome = self.lab.srb_function(function, address(unit));
                let flight = Flight {
                    unit,
                    op: Op::Flush,
                    block: 0,
                    count: 0,
                    begun,
                    buffer: None,
                };
                self.judge(&flight, &outcome)?;
            }
        }
        Ok(())
    }

    /// Insists that every unit takes a write and gives it back.
    ///
    /// # Errors
    /// If one does not, or on anything else that is wrong.
    pub fn insist_on_life(&mut self) -> Result<(), TrafficError> {
        self.drain()?;
        for unit in 0..self.plan.device.backing.units {
            if self.is_excused(unit) {
                continue;
            }
            let mut tries = 0;
            loop {
                let block = self.random.u64(0..self.plan.blocks);
                let before = self.tally.succeeded;
                let mut outcome = self.one(
                    unit,
                    Op::Write {
                        version: 0,
                        through: false,
                    },
                    block,
                )?;
                if self.tally.succeeded > before {
                    outcome = self.one(unit, Op::Read, block)?;
                }
                if self.tally.succeeded == before + 2 {
                    break;
                }
                tries += 1;
                if tries > TRIES {
                    return Err(TrafficError::Dead { unit, outcome });
                }
                self.disk().pause(APART);
            }
        }
        Ok(())
    }

    /// Compares what is durable with what it must be.
    ///
    /// # Errors
    /// If something acknowledged and flushed is lost.
    pub fn compare_durable(&mut self) -> Result<(), TrafficError> {
        self.notice_power_cuts();
        let size = self.plan.device.backing.block;
        let mut data = vec![0; size as usize];
        for (unit, ledger) in (0_u8..).zip(&self.ledgers) {
            for block in 0..ledger.len() {
                let (id, offset) = (u32::from(unit) + 1, block * u64::from(size));
                if self.device.read_durable(id, offset, &mut data).is_err() {
                    data.fill(POISON);
                }
                let found = pattern::recognize(&data, unit, block);
                if let Err(lost) = ledger.durable(block, found)
                    && !self.is_being_written(unit, block, found)
                {
                    return Err(TrafficError::Data("on the medium".to_owned(), lost));
                }
            }
        }
        Ok(())
    }

    fn is_being_written(&self, unit: u8, block: u64, found: Content) -> bool {
        self.flights.values().any(|flight| {
            let range = flight.block..flight.block + flight.count;
            let version = match flight.op {
                Op::Write { version, .. } => Content::Of(version),
                _ => return false,
            };
            flight.unit == unit && range.contains(&block) && version == found
        })
    }

    fn is_excused(&self, unit: u8) -> bool {
        self.plan.excuses.unit == Some(u32::from(unit) + 1)
    }

    fn submit_any(&mut self) -> Result<(), TrafficError> {
        let unit = self.random.u8(0..self.plan.device.backing.units);
        let op = match self.random.u32(0..100) {
            0..42 => Op::Read,
            42..84 => Op::Write {
                version: 0,
                through: self.random.u32(0..4) == 0,
            },
            84..94 => Op::Flush,
            _ => Op::Other,
        };
        let count = match self.random.u32(0..3) {
            0 => 1,
            1 => self.random.u64(1..=self.largest.min(8)),
            _ => self.random.u64(1..=self.largest),
        };
        // Overlapping requests in flight have no order: there are none.
        for _ in 0..8 {
            let block = self.random.u64(0..=self.plan.blocks - count);
            if !self.overlaps(unit, op, block, count) {
                return self.submit(unit, op, block, count).map(drop);
            }
        }
        self.submit(unit, Op::Other, 0, 0).map(drop)
    }

    fn overlaps(&self, unit: u8, op: Op, block: u64, count: u64) -> bool {
        let is_data = |op| matches!(op, Op::Read | Op::Write { .. });
        is_data(op)
            && self.flights.values().any(|other| {
                other.unit == unit
                    && is_data(other.op)
                    && !(op == Op::Read && other.op == Op::Read)
                    && block < other.block + other.count
                    && other.block < block + count
            })
    }

    /// One request alone: what became of it, in words.
    fn one(&mut self, unit: u8, op: Op, block: u64) -> Result<String, TrafficError> {
        let id = self.submit(unit, op, block, 1)?;
        let mut said = String::new();
        while self.flights.contains_key(&id) {
            said = self.collect_one()?;
        }
        Ok(said)
    }

    fn submit(&mut self, unit: u8, op: Op, block: u64, count: u64) -> Result<u64, TrafficError> {
        self.notice_power_cuts();
        let size = self.plan.device.backing.block;
        let length = count * u64::from(size);
        let blocks = u32::try_from(count).unwrap_or(0);
        let form = if self.random.bool() {
            Form::Ten
        } else {
            Form::Sixteen
        };
        let mut op = op;
        let (cdb, direction) = match &mut op {
            Op::Read => (cdb::read(form, block, blocks), Direction::In),
            Op::Write { version, through } => {
                self.version += 1;
                *version = self.version;
                let mut cdb = cdb::write(form, block, blocks);
                if *through {
                    cdb[1] |= FUA;
                }
                (cdb, Direction::Out)
            }
            Op::Flush => (cdb::synchronize_cache_10(), Direction::None),
            Op::Other => (cdb::test_unit_ready(), Direction::None),
        };
        let buffer = if direction == Direction::None {
            None
        } else {
            let length = usize::try_from(length).unwrap_or(0);
            let buffer = self
                .lab
                .buffer(length)
                .map_err(|_| TrafficError::Buffer(length))?;
            match op {
                Op::Write { version, .. } => {
                    let mut data = vec![0; length];
                    for (at, piece) in (block..).zip(data.chunks_exact_mut(size as usize)) {
                        pattern::fill(piece, unit, at, version);
                    }
                    buffer.write(0, &data);
                }
                _ => buffer.fill(POISON),
            }
            Some(buffer)
        };
        let id = self.next_id;
        self.next_id += 1;
        let begun = self.ledgers[usize::from(unit)].begin();
        let flight = Flight {
            unit,
            op,
            block,
            count,
            begun,
            buffer: buffer.clone(),
        };
        self.flights.insert(id, flight);
        self.tally.requests += 1;
        let sender = self.sender.clone();
        let request = Request {
            processor: self.random.u32(0..self.plan.processors),
            address: address(unit),
            cdb,
            direction,
            buffer,
            timeout: self.plan.timeout,
        };
        self.lab.submit(
            request,
            Box::new(move |outcome| {
                // Nobody listens once the life is judged.
                let _ = sender.send((id, outcome));
            }),
        );
        Ok(id)
    }

    fn collect_one(&mut self) -> Result<String, TrafficError> {
        let patience = self.plan.timeout + ESCALATION;
        let Some((id, outcome)) = self.disk().receive(&self.receiver, patience) else {
            let what = self.flights.values().next().map(Flight::describe);
            return Err(TrafficError::Stuck {
                count: self.flights.len(),
                what: what.unwrap_or_default(),
            });
        };
        let Some(flight) = self.flights.remove(&id) else {
            return Ok(String::new());
        };
        self.judge(&flight, &outcome)?;
        Ok(outcome.to_string())
    }

    fn judge(&mut self, flight: &Flight, outcome: &Outcome) -> Result<(), TrafficError> {
        self.notice_power_cuts();
        let what = || flight.describe();
        let verdict = outcome.verdict();
        let done = verdict == Verdict::Done;
        let expected = u32::try_from(flight.count).unwrap_or(0) * self.plan.device.backing.block;
        if done && flight.buffer.is_some() && outcome.transferred != expected {
            return Err(TrafficError::Short {
                what: what(),
                moved: outcome.transferred,
                expected,
            });
        }
        let cached = self.plan.device.cache;
        let ledger = &mut self.ledgers[usize::from(flight.unit)];
        match flight.op {
            Op::Write { version, through } => {
                let how = if done {
                    Ended::Acknowledged {
                        durable: through || !cached,
                    }
                } else {
                    Ended::Uncertain
                };
                ledger.written(flight.block, flight.count, version, flight.begun, how);
            }
            Op::Flush if done => ledger.flushed(flight.begun),
            Op::Read if done => {
                let size = self.plan.device.backing.block as usize;
                let data = flight.buffer.as_ref().map(DataBuffer::to_vec).unwrap_or_default();
                for (block, piece) in (flight.block..).zip(data.chunks_exact(size)) {
                    let found = pattern::recognize(piece, flight.unit, block);
                    let lost = ledger.read(block, flight.begun, found);
                    lost.map_err(|lost| TrafficError::Data(what(), lost))?;
                }
            }
            _ => {}
        }
        if let Some(buffer) = &flight.buffer {
            // It is somebody else's memory now: a device that still reads it, reads nonsense; one that writes it, shows.
            buffer.fill(POISON);
            self.watched.push_back((buffer.clone(), what()));
            if self.watched.len() > WATCHED {
                self.look_at_buffers()?;
                self.watched.drain(..WATCHED / 2);
            }
        }
        if outcome.elapsed > self.plan.timeout + ESCALATION {
            return Err(TrafficError::Late {
                what: what(),
                elapsed: outcome.elapsed,
            });
        }
        match verdict {
            Verdict::Done => self.tally.succeeded += 1,
            Verdict::Retry(_) => self.tally.retried += 1,
            Verdict::Failed => self.tally.failed += 1,
        }
        if done || self.may_end(flight.unit, verdict, outcome) {
            return Ok(());
        }
        Err(TrafficError::Failed {
            what: what(),
            outcome: outcome.to_string(),
        })
    }

    /// Whether the plan excuses an end without success.
    fn may_end(&self, unit: u8, verdict: Verdict, outcome: &Outcome) -> bool {
        let excuses = &self.plan.excuses;
        match verdict {
            Verdict::Retry(_) => !self.plan.is_quiet() || self.gone,
            _ => {
                self.gone
                    || excuses.adapter
                    || self.is_excused(unit)
                    || excuses.errors && outcome.srb_status == crate::abi::srb::status::ERROR
            }
        }
    }

    /// The buffers that came back hold what was put there since.
    fn look_at_buffers(&self) -> Result<(), TrafficError> {
        for (buffer, whose) in &self.watched {
            if buffer.to_vec().iter().any(|byte| *byte != POISON) {
                return Err(TrafficError::WrittenAfterwards(whose.clone()));
            }
        }
        Ok(())
    }
}

fn address(unit: u8) -> Address {
    Address {
        path: 0,
        target: 0,
        lun: unit,
    }
}
