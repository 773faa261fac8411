//! The driver's logical units behind an iSCSI target.
//!
//! Commands go to the driver as they are, and its answers come back as they are. What the target adds is what a SCSI target
//! device has and an HBA's driver has not: answers for logical units that do not exist (`incorrect`), lengths of commands that
//! differ from what the initiator expects (`extent`), SCSI statuses for SRB statuses (`outcome`).
//!
//! Through one HBA all initiators are one host. `reservations` keeps persistent reservations honest in spite of that.

mod extent;
mod incorrect;
mod outcome;
mod reservations;

use std::{sync::Arc, time::Duration};

use iscsi_target::{
    connection::{self, Completion},
    sense::Sense,
    server::{Answer, Data, Device, Done, Nexus},
};
use parking_lot::Mutex;

use self::{
    extent::{Clipped, clip},
    reservations::{Gate, Passage},
};
use super::pool::{Lent, Pool};
use crate::{
    model::{Address, Direction, Outcome},
    workload::{
        disk::{Buffer, Command, Disk, Reset},
        startup::UnitReport,
    },
};

/// Time-out of a command: that of the disk class driver (`TimeOutValue`).
const TIMEOUT: Duration = Duration::from_mins(1);
/// SCSI status: later.
const BUSY: u8 = 0x08;

/// Data for an initiator.
pub enum Bytes<B: Buffer> {
    /// Where the driver left it.
    Lent(Option<Lent<B>>),
    /// Made by the target.
    Made(Vec<u8>),
}

impl<B: Buffer> Data for Bytes<B>
where
    Lent<B>: Send,
{
    fn read(&self, offset: usize, out: &mut [u8]) {
        match self {
            Self::Lent(Some(lent)) => lent.buffer().read(offset, out),
            Self::Lent(None) => {}
            Self::Made(bytes) => bytes.read(offset, out),
        }
    }
}

impl<B: Buffer> Drop for Bytes<B> {
    fn drop(&mut self) {
        if let Self::Lent(lent) = self
            && let Some(lent) = lent.take()
        {
            lent.give_back();
        }
    }
}

/// The units of a lab, by target: each target of the adapter is an iSCSI target.
pub struct Units<'a, D: Disk> {
    disk: &'a D,
    targets: Vec<(u8, u8)>,
    blocks: Vec<(Address, u32)>,
    pool: Pool<D::Buffer>,
    gate: Arc<Mutex<Gate>>,
}

impl<'a, D: Disk> Units<'a, D> {
    /// The units that answered the start-up commands; others of the same targets are reached, too.
    #[must_use]
    pub fn new(disk: &'a D, units: &[UnitReport]) -> Self {
        let mut targets: Vec<_> = units
            .iter()
            .map(|unit| (unit.unit.path, unit.unit.target))
            .collect();
        targets.sort_unstable();
        targets.dedup();
        Self {
            disk,
            targets,
            blocks: units
                .iter()
                .map(|unit| (unit.unit, unit.block_size.max(1)))
                .collect(),
            pool: Pool::default(),
            gate: Arc::default(),
        }
    }

    /// Names of the iSCSI targets, in order: `base` for the only one, else with bus and target behind it.
    #[must_use]
    pub fn names(&self, base: &str) -> Vec<String> {
        match self.targets.as_slice() {
            [_] => vec![base.to_owned()],
            targets => targets
                .iter()
                .map(|(path, target)| format!("{base}.{path}.{target}"))
                .collect(),
        }
    }

    fn address(&self, target: usize, lun: [u8; 8]) -> Option<Address> {
        let &(path, target) = self.targets.get(target)?;
        incorrect::number(lun).map(|lun| Address { path, target, lun })
    }

    fn block(&self, unit: Address) -> u32 {
        let found = self.blocks.iter().find(|(other, _)| *other == unit);
        found.map_or(512, |&(_, block)| block)
    }

    /// Hands a command to the driver.
    fn pass(
        &self,
        nexus: &Nexus,
        unit: Address,
        command: connection::Command,
        clipped: Clipped,
        passage: Passage,
        done: Done<Bytes<D::Buffer>>,
    ) {
        let direction = match command.direction {
            connection::Direction::None => Direction::None,
            connection::Direction::In => Direction::In,
            connection::Direction::Out => Direction::Out,
        };
        let limit = self.disk.limits().max_transfer;
        let length = clipped.buffer.unwrap_or(command.expected).min(limit) as usize;
        let lent = if direction == Direction::None || length == 0 {
            None
        } else {
            let Ok(lent) = self.pool.take(self.disk, length) else {
                // The memory shared with the device is used up for now.
                return done(plain(Completion::status(BUSY)));
            };
            if direction == Direction::Out {
                lent.buffer()
                    .write(0, command.data.get(..length).unwrap_or(&command.data));
            } else {
                lent.poison();
            }
            Some(lent)
        };
        let opcode = command.cdb.first().copied().unwrap_or(0);
        let cdb = trimmed(command.cdb);
        let gate = Arc::clone(&self.gate);
        // One session's commands stay on one processor.
        let processor = u32::try_from(nexus.id % u64::from(self.disk.processors().max(1))).unwrap_or(0);
        let request = Command {
            processor,
            unit,
            cdb,
            direction: if lent.is_some() {
                direction
            } else {
                Direction::None
            },
            buffer: lent.as_ref().map(|lent| lent.buffer().clone()),
            timeout: TIMEOUT,
        };
        let ended = move |result: Outcome| {
            gate.lock().ended(unit, passage, result.is_success());
            if result.is_absent()
                && let Some(answer) = incorrect::answer(opcode, command.expected)
            {
                let (completion, data) = answer;
                return done(Answer {
                    completion,
                    data: Some(Bytes::Made(data)),
                });
            }
            let incoming = direction == Direction::In;
            let mut completion = outcome::completion(&result, incoming);
            if let Some(moved) = clipped.moved
                && completion.status == 0
            {
                completion.moved = moved;
            }
            // A buffer is used again only if the driver itself said that it is done with it.
            let lent = lent.filter(|_| result.is_success());
            done(Answer {
                completion,
                data: Some(Bytes::Lent(lent)),
            });
        };
        self.disk.submit(request, Box::new(ended));
    }
}

/// A CDB as long as its group has it (SPC-4, 4.2.5.1): initiators send 16 bytes whatever the command.
fn trimmed(mut cdb: Vec<u8>) -> Vec<u8> {
    let length = match cdb.first().map_or(0, |opcode| opcode >> 5) {
        0 => 6,
        1 | 2 => 10,
        5 => 12,
        4 => 16,
        // Variable length, reserved and vendor specific: as it came.
        _ => cdb.len(),
    };
    cdb.truncate(length);
    cdb
}

fn plain<B: Buffer>(completion: Completion) -> Answer<Bytes<B>> {
    Answer {
        completion,
        data: None,
    }
}

impl<D: Disk> Device for Units<'_, D>
where
    Lent<D::Buffer>: Send,
{
    type Data = Bytes<D::Buffer>;

    fn execute(&self, nexus: &Nexus, mut command: connection::Command, done: Done<Self::Data>) {
        let opcode = command.cdb.first().copied().unwrap_or(0);
        let Some(unit) = self.address(nexus.target, command.lun).or_else(|| {
            // REPORT LUNS is for the whole target, whatever unit it is sent to.
            (opcode == incorrect::REPORT_LUNS)
                .then(|| self.address(nexus.target, [0; 8]))
                .flatten()
        }) else {
            let (completion, data) = incorrect::answer(opcode, command.expected)
                .unwrap_or_else(|| (Completion::refused(Sense::LOGICAL_UNIT_NOT_SUPPORTED), Vec::new()));
            return done(Answer {
                completion,
                data: Some(Bytes::Made(data)),
            });
        };
        let passage = match self.gate.lock().ask(unit, nexus, &command.cdb, &command.data) {
            Ok(passage) => passage,
            Err(completion) => return done(plain(completion)),
        };
        match clip(&mut command, self.block(unit)) {
            Ok(clipped) => self.pass(nexus, unit, command, clipped, passage, done),
            Err(completion) => done(plain(completion)),
        }
    }

    fn reset(&self, target: usize, lun: Option<[u8; 8]>, done: Box<dyn FnOnce(bool) + Send>) {
        let reset = match lun {
            Some(lun) => self.address(target, lun).map(Reset::Unit),
            // The bus, if there is nothing else on it: every driver has that reset.
            None if self.targets.len() == 1 => self.targets.first().map(|&(path, _)| Reset::Bus(path)),
            None => self.address(target, [0; 8]).map(Reset::Target),
        };
        match reset {
            Some(reset) => self.disk.submit_reset(reset, done),
            None => done(false),
        }
    }

    fn units(&self, target: usize) -> Vec<[u8; 8]> {
        let Some(&(path, target)) = self.targets.get(target) else {
            return Vec::new();
        };
        let of_target = self
            .blocks
            .iter()
            .filter(|(unit, _)| (unit.path, unit.target) == (path, target));
        of_target
            .map(|(unit, _)| [0, unit.lun, 0, 0, 0, 0, 0, 0])
            .collect()
    }

    fn opened(&self, nexus: &Nexus) {
        self.gate.lock().opened(nexus);
    }

    fn closed(&self, nexus: &Nexus) {
        self.gate.lock().closed(nexus);
    }
}
