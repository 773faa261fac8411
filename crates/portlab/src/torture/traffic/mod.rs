//! Requests in flight, each judged when it is over.

mod answers;
mod command;
mod error;
mod judge;
mod op;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::mpsc::{Receiver, Sender, channel},
    time::Duration,
};

use fastrand::Rng;
use nvme_controller::fault::Kind;

pub use self::error::TrafficError;
use self::{
    command::{Data, Place},
    op::{Flight, Op, Question},
};
use super::{
    ledger::Ledger,
    pattern::{self, Content, Version},
    plan::Plan,
};
use crate::{
    device::in_process::InProcessNvme,
    model::{Address, DataBuffer, Lab, Outcome, Request, SrbFunction},
    workload::{cdb::Form, disk::Disk as _, lab_disk::LabDisk},
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
/// Of so many requests with data one is made on a buffer that keeps changing, in lives that have such buffers.
const CHANGING: u32 = 8;

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
    /// The units that REPORT LUNS told of last.
    listed: Option<Vec<u8>>,
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
            listed: None,
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
                what: first.to_string(),
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
                    changing: false,
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
            flight.covers(unit, block)
                && flight
                    .writes()
                    .is_some_and(|version| pattern::admits(version, found))
        })
    }

    fn is_excused(&self, unit: u8) -> bool {
        self.plan.excuses.unit == Some(u32::from(unit) + 1)
    }

    fn submit_any(&mut self) -> Result<(), TrafficError> {
        let unit = self.random.u8(0..self.plan.device.backing.units);
        let mut op = Op::draw(&mut self.random, self.plan.device.cache, self.plan.device.thin);
        let most = match op {
            // Two blocks go to the controller.
            Op::CompareAndWrite { .. } if self.largest < 2 => {
                op = Op::Ready;
                1
            }
            Op::CompareAndWrite { .. } => 1,
            // No data go with the blocks.
            Op::Unmap { .. } | Op::WriteSame { .. } | Op::Verify => self.plan.blocks / 2,
            _ => self.largest,
        };
        let count = match self.random.u32(0..3) {
            0 => 1,
            1 => self.random.u64(1..=most.min(8)),
            _ => self.random.u64(1..=most),
        };
        // Overlapping requests in flight have no order: there are none.
        for _ in 0..8 {
            let block = self.random.u64(0..=self.plan.blocks - count);
            if !self.overlaps(unit, op, block, count) {
                return self.submit(unit, op, block, count).map(drop);
            }
        }
        self.submit(unit, Op::Ready, 0, 0).map(drop)
    }

    fn overlaps(&self, unit: u8, op: Op, block: u64, count: u64) -> bool {
        op.is_about_blocks()
            && self.flights.values().any(|other| {
                other.unit == unit
                    && other.op.is_about_blocks()
                    && (op.writes().is_some() || other.op.writes().is_some())
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

    /// Asks what Windows asks when it has found a bus; the answers come when they come.
    ///
    /// # Errors
    /// If the lab has no memory.
    pub fn discover(&mut self) -> Result<(), TrafficError> {
        self.submit(0, Op::Ask(Question::Luns), 0, 0)?;
        for unit in 0..self.plan.device.backing.units {
            self.inquire(unit)?;
        }
        Ok(())
    }

    /// Asks a unit what it is; the first answer starts its device object.
    ///
    /// # Errors
    /// If the lab has no memory.
    pub fn inquire(&mut self, unit: u8) -> Result<(), TrafficError> {
        self.submit(unit, Op::Ask(Question::Inquiry), 0, 0).map(drop)
    }

    /// The units that REPORT LUNS tells of now, if it does.
    ///
    /// # Errors
    /// On the first thing that is wrong.
    pub fn list_units(&mut self) -> Result<Option<Vec<u8>>, TrafficError> {
        self.listed = None;
        self.one(0, Op::Ask(Question::Luns), 0)?;
        Ok(self.listed.take())
    }

    /// Waits for what is in flight to one unit.
    ///
    /// # Errors
    /// On the first thing that is wrong.
    pub fn drain_unit(&mut self, unit: u8) -> Result<(), TrafficError> {
        while self.flights.values().any(|flight| flight.unit == unit) {
            self.collect_one()?;
        }
        Ok(())
    }

    /// Another number for each write; `0` stays what it is, zeroes.
    fn number(&mut self, op: &mut Op, unit: u8, block: u64) {
        let mut next = || {
            self.version += 1;
            self.version
        };
        match op {
            Op::Write { version, .. } | Op::WriteAndVerify { version, .. } => *version = next(),
            Op::WriteSame { version, .. } if *version != 0 => *version = next() | pattern::SAME,
            Op::CompareAndWrite {
                expected,
                equal,
                version,
            } => {
                *version = next();
                let held = self.ledgers[usize::from(unit)].surely_holds(block);
                // What is not known may be either.
                *expected = match held {
                    Some(held) if *equal => held,
                    _ => next(),
                };
                *equal &= held.is_some();
            }
            _ => {}
        }
    }

    fn submit(&mut self, unit: u8, op: Op, block: u64, count: u64) -> Result<u64, TrafficError> {
        self.notice_power_cuts();
        let form = if self.random.bool() {
            Form::Ten
        } else {
            Form::Sixteen
        };
        let mut op = op;
        self.number(&mut op, unit, block);
        let place = Place {
            unit,
            block,
            count,
            size: self.plan.device.backing.block,
        };
        let command = command::command(op, place, form);
        let (changing, buffer) = self.buffer(&command.data, op)?;
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
            changing,
        };
        self.flights.insert(id, flight);
        self.tally.requests += 1;
        let sender = self.sender.clone();
        let request = Request {
            processor: self.random.u32(0..self.plan.processors),
            address: match op {
                Op::Ask(Question::Nobody) => address(self.plan.device.backing.units),
                _ => address(unit),
            },
            direction: command.data.direction(),
            cdb: command.cdb,
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

    /// A buffer with the data, and whether a thread of the application goes on writing to it.
    fn buffer(&mut self, data: &Data, op: Op) -> Result<(bool, Option<DataBuffer>), TrafficError> {
        let length = match data {
            Data::None => return Ok((false, None)),
            Data::In(length) => *length,
            Data::Out(bytes) => bytes.len(),
        };
        let buffer = self
            .lab
            .buffer(length)
            .map_err(|_| TrafficError::Buffer(length))?;
        match data {
            Data::Out(bytes) => buffer.write(0, bytes),
            _ => buffer.fill(POISON),
        }
        // What keys there are must be known.
        let may_change = self.plan.changes_buffers && !matches!(op, Op::Reserve(_));
        let changing = may_change && self.random.u32(0..CHANGING) == 0;
        if changing {
            buffer.keep_changing();
        }
        Ok((changing, Some(buffer)))
    }

    fn collect_one(&mut self) -> Result<String, TrafficError> {
        let patience = self.plan.timeout + ESCALATION;
        let Some((id, outcome)) = self.disk().receive(&self.receiver, patience) else {
            let what = self.flights.values().next().map(Flight::to_string);
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
}

fn address(unit: u8) -> Address {
    Address {
        path: 0,
        target: 0,
        lun: unit,
    }
}
