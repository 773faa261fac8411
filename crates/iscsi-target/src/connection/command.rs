//! SCSI commands and the data that they write (RFC 7143, 11.3, 11.7, 11.8).

use super::{
    Command, Completion, Connection, Event, IMMEDIATE,
    task::{Burst, Direction, State, Task},
};
use crate::{
    frame::{self, Frame},
    pdu::{FINAL, Header, NO_TAG, opcode, reject},
    sense::Sense,
};

const READ: u8 = 0x40;
const WRITE: u8 = 0x20;
/// Type of the additional header segment with the rest of a long CDB.
const EXTENDED_CDB: u8 = 1;
/// Bytes of a CDB in the basic header segment.
const CDB: usize = 16;

impl Connection {
    pub(super) fn command(&mut self, frame: Frame<'_>, events: &mut Vec<Event>) {
        let header = frame.header;
        let tag = header.task_tag();
        if tag == NO_TAG {
            return self.reject(&header, reject::INVALID_PDU_FIELD);
        }
        if self.tasks.contains_key(&tag) {
            return self.reject(&header, reject::TASK_IN_PROGRESS);
        }
        if header.immediate() {
            if self.immediate_tasks >= IMMEDIATE {
                return self.reject(&header, reject::TOO_MANY_IMMEDIATE);
            }
            self.immediate_tasks += 1;
        }
        let flags = header.flags();
        let (read, write, last) = (flags & READ != 0, flags & WRITE != 0, flags & FINAL != 0);
        let direction = match (read, write) {
            (true, _) => Direction::In,
            (false, true) => Direction::Out,
            (false, false) => Direction::None,
        };
        let mut cdb = header.0[32..].to_vec();
        let extended = extend(&mut cdb, frame.additional);
        let serial = self.serial();
        let mut task = Task {
            serial,
            state: State::Receiving,
            immediate: header.immediate(),
            lun: header.lun(),
            cdb,
            direction,
            expected: header.word(20),
            data: Vec::new(),
            unsolicited: write && !last,
            burst: None,
            data_sn: 0,
            r2ts: 0,
            reserved: 0,
            error: None,
        };
        let unsolicited = task.expected.min(self.parameters.first_burst) as usize;
        if !extended || (read && write) {
            // Nothing below takes commands that move data both ways.
            task.error = Some(Sense::INVALID_FIELD_IN_CDB);
        } else if write && task.expected > self.config.max_transfer {
            task.error = Some(Sense::INVALID_FIELD_IN_CDB);
        } else if !frame.intact {
            self.reject(&header, reject::DATA_DIGEST_ERROR);
            task.error = Some(Sense::PROTOCOL_SERVICE_CRC_ERROR);
        } else if !(frame.data.is_empty() || write && self.parameters.immediate_data)
            || frame.data.len() > unsolicited
            || (task.unsolicited && self.parameters.initial_r2t)
        {
            task.error = Some(Sense::UNEXPECTED_UNSOLICITED_DATA);
        } else {
            task.data.extend_from_slice(frame.data);
        }
        self.tasks.insert(tag, task);
        self.advance(tag, events);
    }

    /// Goes on with a task: waits for data, asks for it, or hands the command out.
    fn advance(&mut self, tag: u32, events: &mut Vec<Event>) {
        let Some(task) = self.tasks.get_mut(&tag) else {
            return;
        };
        if task.unsolicited || task.burst.is_some() {
            return;
        }
        if let Some(sense) = task.error {
            let id = task.id(tag);
            self.complete(id, &Completion::refused(sense), |_, _| {});
        } else if task.direction == Direction::Out && task.data.len() < task.expected as usize {
            self.wanting.push_back(tag);
        } else {
            task.state = State::Running;
            let reserved = std::mem::take(&mut task.reserved);
            events.push(Event::Command(Command {
                task: task.id(tag),
                lun: task.lun,
                cdb: std::mem::take(&mut task.cdb),
                direction: task.direction,
                expected: task.expected,
                data: std::mem::take(&mut task.data),
            }));
            self.solicited -= reserved;
        }
        self.solicit();
    }

    /// Asks for data, as far as there is room.
    pub(super) fn solicit(&mut self) {
        while let Some(&tag) = self.wanting.front() {
            let serial = self.serial();
            let Some(task) = self.tasks.get_mut(&tag) else {
                self.wanting.pop_front();
                continue;
            };
            let expected = task.expected as usize;
            if task.reserved == 0 {
                if self.solicited != 0 && self.solicited + expected > self.config.solicited {
                    return;
                }
                self.solicited += expected;
                task.reserved = expected;
                task.data.reserve_exact(expected - task.data.len());
            }
            self.wanting.pop_front();
            let offset = task.data.len();
            let length = (expected - offset).min(self.parameters.max_burst as usize);
            let transfer_tag = u32::try_from(serial & 0x7FFF_FFFF).unwrap_or(0);
            task.burst = Some(Burst {
                tag: transfer_tag,
                end: offset + length,
            });
            task.data_sn = 0;
            let mut header = Header::new(opcode::R2T, FINAL);
            header.set_bytes(8, &task.lun);
            header.set_word(16, tag);
            header.set_word(20, transfer_tag);
            header.set_word(24, self.stat_sn);
            header.set_word(36, task.r2ts);
            // Lengths of commands fit the header's words.
            header.set_word(40, u32::try_from(offset).unwrap_or(u32::MAX));
            header.set_word(44, u32::try_from(length).unwrap_or(u32::MAX));
            task.r2ts += 1;
            self.window(&mut header);
            frame::append(&mut self.out, header, self.parameters.digests, 0, |_| {});
        }
    }

    pub(super) fn data_out(&mut self, frame: Frame<'_>, events: &mut Vec<Event>) {
        let header = frame.header;
        let tag = header.task_tag();
        // What comes for a task that was aborted, or failed, is nobody's.
        let first_burst = self.parameters.first_burst;
        let Some(task) = self.tasks.get_mut(&tag) else {
            return;
        };
        if task.state != State::Receiving {
            return;
        }
        let limit = match (header.word(20), task.burst) {
            (NO_TAG, None) if task.unsolicited => task.expected.min(first_burst) as usize,
            (transfer_tag, Some(burst)) if transfer_tag == burst.tag => burst.end,
            // Another burst's: not one that was asked for.
            _ => return self.reject(&header, reject::INVALID_PDU_FIELD),
        };
        let last = header.flags() & FINAL != 0;
        let fits = header.word(36) == task.data_sn
            && header.word(40) as usize == task.data.len()
            && task.data.len() + frame.data.len() <= limit;
        task.data_sn = task.data_sn.wrapping_add(1);
        if !frame.intact {
            task.error.get_or_insert(Sense::PROTOCOL_SERVICE_CRC_ERROR);
        } else if !fits {
            task.error.get_or_insert(Sense::INCORRECT_AMOUNT_OF_DATA);
        } else if task.error.is_none() {
            task.data.extend_from_slice(frame.data);
        }
        if last {
            if task.burst.take().is_some_and(|burst| task.data.len() < burst.end) {
                task.error.get_or_insert(Sense::INCORRECT_AMOUNT_OF_DATA);
            }
            task.unsolicited = false;
        }
        if !frame.intact {
            self.reject(&header, reject::DATA_DIGEST_ERROR);
        }
        self.advance(tag, events);
    }

    /// Takes a task away.
    pub(super) fn forget(&mut self, tag: u32) -> Option<Task> {
        let task = self.tasks.remove(&tag)?;
        self.solicited -= task.reserved;
        if task.immediate {
            self.immediate_tasks -= 1;
        }
        Some(task)
    }
}

/// Appends what an additional header segment has of a CDB; `false` if the segments are none.
fn extend(cdb: &mut Vec<u8>, mut additional: &[u8]) -> bool {
    while let [high, low, kind, rest @ ..] = additional {
        // Counts what follows the type, beginning with a reserved byte.
        let length = usize::from(*high) << 8 | usize::from(*low);
        let Some(body) = rest.get(..length) else {
            return false;
        };
        match body {
            [_, more @ ..] if *kind == EXTENDED_CDB && cdb.len() == CDB => cdb.extend_from_slice(more),
            _ => return false,
        }
        let padded = (length + 3).next_multiple_of(4) - 3;
        additional = rest.get(padded..).unwrap_or_default();
    }
    true
}
