//! Task management (RFC 7143, 11.5, 11.6).

use super::{Connection, Event, task::State};
use crate::pdu::{self, FINAL, Header, opcode};

const ABORT_TASK: u8 = 1;
const ABORT_TASK_SET: u8 = 2;
const CLEAR_TASK_SET: u8 = 4;
const LOGICAL_UNIT_RESET: u8 = 5;
const TARGET_WARM_RESET: u8 = 6;
const TARGET_COLD_RESET: u8 = 7;
const TASK_REASSIGN: u8 = 8;

const COMPLETE: u8 = 0;
const NO_TASK: u8 = 1;
const NO_REASSIGNMENT: u8 = 4;
const NOT_SUPPORTED: u8 = 5;
const REJECTED: u8 = 255;

/// Requests of one connection that are not answered yet, at most.
const LIMIT: usize = 32;

/// What concerns more than one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// CLEAR TASK SET: the commands of all initiators to a logical unit.
    ClearTaskSet,
    /// LOGICAL UNIT RESET.
    LogicalUnitReset,
    /// TARGET WARM RESET.
    TargetWarmReset,
    /// TARGET COLD RESET: all connections end.
    TargetColdReset,
}

/// A request that is not answered yet.
pub(super) struct Managing {
    id: u64,
    tag: u32,
    /// The answer, once it is known.
    response: Option<u8>,
    /// Commands that it aborts and that the device has not ended.
    waits: Vec<u64>,
}

impl Connection {
    pub(super) fn manage(&mut self, header: &Header, events: &mut Vec<Event>) {
        let (tag, lun) = (header.task_tag(), header.lun());
        if self.managing.len() >= LIMIT {
            self.answer(tag, REJECTED);
            return;
        }
        let id = self.serial();
        let mut request = Managing {
            id,
            tag,
            response: None,
            waits: Vec::new(),
        };
        let function = match header.flags() & 0x7F {
            ABORT_TASK => {
                let referred = header.word(20);
                request.response = Some(if self.tasks.contains_key(&referred) {
                    request.waits.extend(self.abort(referred));
                    COMPLETE
                } else if self.never_arrived(header) {
                    COMPLETE
                } else {
                    NO_TASK
                });
                None
            }
            ABORT_TASK_SET => {
                request.waits = self.abort_all(Some(lun));
                request.response = Some(COMPLETE);
                None
            }
            CLEAR_TASK_SET => Some((Function::ClearTaskSet, Some(lun))),
            LOGICAL_UNIT_RESET => Some((Function::LogicalUnitReset, Some(lun))),
            TARGET_WARM_RESET => Some((Function::TargetWarmReset, None)),
            TARGET_COLD_RESET => Some((Function::TargetColdReset, None)),
            TASK_REASSIGN => {
                request.response = Some(NO_REASSIGNMENT);
                None
            }
            _ => {
                request.response = Some(NOT_SUPPORTED);
                None
            }
        };
        if let Some((function, which)) = function {
            request.waits = self.abort_all(which);
            events.push(Event::Manage { id, function, lun });
        }
        self.managing.push(request);
        self.answer_managing();
        self.solicit();
    }

    /// Whether the command that ABORT TASK refers to was sent before it and will never arrive (RFC 7143, 11.6.1): its number is
    /// taken as if it had.
    fn never_arrived(&mut self, header: &Header) -> bool {
        let (referred, own) = (header.word(32), header.word(24));
        let inside = !pdu::before(referred, self.expected) && !pdu::before(self.max_cmd_sn, referred);
        if !(inside && pdu::before(referred, own)) {
            return false;
        }
        if referred == self.expected {
            self.expected = self.expected.wrapping_add(1);
        }
        true
    }

    /// What [`Event::Manage`] asked for is done, or not.
    pub fn managed(&mut self, id: u64, success: bool) {
        if let Some(request) = self.managing.iter_mut().find(|request| request.id == id) {
            request.response = Some(if success { COMPLETE } else { REJECTED });
        }
        self.answer_managing();
    }

    /// Aborts all commands to `lun`, or to every logical unit; initiators are not told how they end.
    pub fn abort_all(&mut self, lun: Option<[u8; 8]>) -> Vec<u64> {
        let covered: Vec<u32> = self
            .tasks
            .iter()
            .filter(|(_, task)| lun.is_none_or(|lun| lun == task.lun))
            .map(|(&tag, _)| tag)
            .collect();
        covered.into_iter().filter_map(|tag| self.abort(tag)).collect()
    }

    /// Aborts a command; its serial number if the device still has it.
    fn abort(&mut self, tag: u32) -> Option<u64> {
        let task = self.tasks.get_mut(&tag)?;
        if task.state == State::Receiving {
            self.forget(tag);
            return None;
        }
        task.state = State::Aborted;
        Some(task.serial)
    }

    /// The device has ended a command that was aborted.
    pub(super) fn aborted(&mut self, serial: u64) {
        for request in &mut self.managing {
            request.waits.retain(|&other| other != serial);
        }
        self.answer_managing();
    }

    fn answer_managing(&mut self) {
        while let Some(at) = self
            .managing
            .iter()
            .position(|request| request.waits.is_empty() && request.response.is_some())
        {
            let request = self.managing.remove(at);
            self.answer(request.tag, request.response.unwrap_or(REJECTED));
        }
    }

    fn answer(&mut self, tag: u32, response: u8) {
        let mut header = Header::new(opcode::TASK_MANAGEMENT_RESPONSE, FINAL);
        header.0[2] = response;
        header.set_word(16, tag);
        self.number(&mut header);
        self.append(header, &[]);
    }
}
