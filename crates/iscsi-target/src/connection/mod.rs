//! One connection, and the session that it is (RFC 7143): bytes and completions in, bytes and events out.
//!
//! What it keeps is bounded: tasks by the command window, data by what is announced for them, output by
//! [`Connection::is_congested`], at which [`Connection::receive`] takes nothing more.

mod command;
mod management;
mod plain;
mod response;
mod task;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

pub use self::{
    management::Function,
    response::Completion,
    task::{Command, Direction, TaskId},
};
use self::{management::Managing, task::Task};
use crate::{
    frame::{self, Frame, FrameError},
    login::{Identity, Login, LoginConfig, Status},
    parameters::Parameters,
    pdu::{self, HEADER, Header, opcode, reject},
};

/// Bytes of a data segment in the login phase (RFC 7143, 13.12).
const LOGIN_SEGMENT: usize = 8192;
/// Bytes of output that may wait before nothing more is taken in.
const CONGESTED: usize = 1 << 20;
/// Bytes that commands may have which arrived before others that come first.
const HELD: usize = 1 << 20;
/// Immediate commands at a time, beyond the window.
const IMMEDIATE: usize = 16;

/// What a connection is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// The login's.
    pub login: Arc<LoginConfig>,
    /// Where this connection arrived: address and port, for discovery.
    pub portal: String,
    /// Commands at a time.
    pub window: u32,
    /// Bytes that a command may write.
    pub max_transfer: u32,
    /// Bytes of written data that may be on their way to commands of this connection; one command always gets its data.
    pub solicited: usize,
}

/// What is to be done outside.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// The login is complete.
    LoggedIn(Identity),
    /// A command with all of its data; [`Connection::complete`] ends it.
    Command(Command),
    /// Something that concerns more than this connection; [`Connection::managed`] ends it.
    Manage {
        /// What [`Connection::managed`] is told.
        id: u64,
        /// What is asked for.
        function: Function,
        /// The logical unit.
        lun: [u8; 8],
    },
}

/// Why a connection cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The stream of PDUs.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// Something else than a login came first.
    #[error("operation code {0:#04x} before the login")]
    NotLoggedIn(u8),
    /// A login request came after the login.
    #[error("a login request in the full-feature phase")]
    LoggedInAlready,
    /// Too much came before what is to come first.
    #[error("too many bytes of commands that arrived out of order")]
    OutOfOrder,
}

enum Phase {
    Login(Box<Login>),
    FullFeature,
    /// Nothing is taken any more; what waits is sent.
    Closing,
}

struct Held {
    header: Header,
    additional: Vec<u8>,
    data: Vec<u8>,
    intact: bool,
}

/// See the module's documentation.
pub struct Connection {
    config: Config,
    tsih: u16,
    phase: Phase,
    discovery: bool,
    target: usize,
    parameters: Parameters,
    stat_sn: u32,
    expected: u32,
    max_cmd_sn: u32,
    tasks: HashMap<u32, Task>,
    immediate_tasks: usize,
    held: BTreeMap<u32, Held>,
    held_bytes: usize,
    /// Tasks that want data, in order.
    wanting: VecDeque<u32>,
    solicited: usize,
    managing: Vec<Managing>,
    text: plain::TextState,
    last: u64,
    out: Vec<u8>,
    sent: usize,
}

impl Connection {
    /// A connection whose session will have the target's identifier `tsih`, which is not 0.
    #[must_use]
    pub fn new(config: Config, tsih: u16) -> Self {
        let login = Box::new(Login::new(Arc::clone(&config.login)));
        Self {
            config,
            tsih,
            phase: Phase::Login(login),
            discovery: false,
            target: 0,
            parameters: Parameters::default(),
            stat_sn: 1,
            expected: 0,
            max_cmd_sn: 0,
            tasks: HashMap::new(),
            immediate_tasks: 0,
            held: BTreeMap::new(),
            held_bytes: 0,
            wanting: VecDeque::new(),
            solicited: 0,
            managing: Vec::new(),
            text: plain::TextState::default(),
            last: 0,
            out: Vec::new(),
            sent: 0,
        }
    }

    /// Whether the login is complete.
    #[must_use]
    pub fn is_logged_in(&self) -> bool {
        matches!(self.phase, Phase::FullFeature)
    }

    /// Whether the connection is to be closed once its output is sent.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closing)
    }

    /// Ends the connection; what waits is still sent.
    pub fn close(&mut self) {
        self.phase = Phase::Closing;
    }

    /// Whether so much output waits that nothing more should be added.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.out.len() - self.sent > CONGESTED
    }

    /// Bytes that [`Self::receive`] needs to see at once, at most.
    #[must_use]
    pub fn longest(&self) -> usize {
        frame::longest(self.segment_limit())
    }

    /// What waits to be sent.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        &self.out[self.sent..]
    }

    /// The first `count` bytes of the output are sent.
    pub fn sent(&mut self, count: usize) {
        self.sent = (self.sent + count).min(self.out.len());
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
            // What one long read needed is not kept.
            self.out.shrink_to(CONGESTED);
        } else if self.sent > CONGESTED {
            self.out.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Takes the PDUs at the beginning of `bytes` and says how many bytes they were.
    ///
    /// # Errors
    /// If nothing more can be read; the connection is to be closed.
    pub fn receive(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> Result<usize, Broken> {
        let mut taken = 0;
        while !self.is_congested() && !self.is_closing() {
            let digests = match self.phase {
                Phase::FullFeature => self.parameters.digests,
                _ => frame::Digests::default(),
            };
            let rest = &bytes[taken..];
            let Some((frame, length)) = frame::next(rest, digests, self.segment_limit())? else {
                break;
            };
            taken += length;
            self.take(frame, events)?;
        }
        Ok(taken)
    }

    fn segment_limit(&self) -> usize {
        match self.phase {
            Phase::Login(_) => LOGIN_SEGMENT,
            _ => self.config.login.offer.segment as usize,
        }
    }

    fn take(&mut self, frame: Frame<'_>, events: &mut Vec<Event>) -> Result<(), Broken> {
        let opcode = frame.header.opcode();
        if matches!(self.phase, Phase::Login(_)) {
            if opcode != opcode::LOGIN {
                return Err(Broken::NotLoggedIn(opcode));
            }
            self.login(&frame.header, frame.data, events);
            return Ok(());
        }
        match opcode {
            opcode::LOGIN => return Err(Broken::LoggedInAlready),
            // These two have no place in the order of commands.
            opcode::DATA_OUT => self.data_out(frame, events),
            opcode::SNACK => self.reject(&frame.header, reject::SNACK),
            _ => {
                if frame.header.immediate() {
                    self.carry_out(frame, events);
                } else {
                    self.in_order(frame, events)?;
                }
            }
        }
        Ok(())
    }

    /// Commands are carried out in the order of their numbers; numbers outside the window are ignored (RFC 7143, 4.2.2.1).
    fn in_order(&mut self, frame: Frame<'_>, events: &mut Vec<Event>) -> Result<(), Broken> {
        let number = frame.header.word(24);
        if pdu::before(number, self.expected) || pdu::before(self.max_cmd_sn, number) {
            return Ok(());
        }
        if number != self.expected {
            let size = HEADER + frame.additional.len() + frame.data.len();
            if self.held_bytes + size > HELD {
                return Err(Broken::OutOfOrder);
            }
            self.held.entry(number).or_insert_with(|| {
                self.held_bytes += size;
                Held {
                    header: frame.header,
                    additional: frame.additional.to_vec(),
                    data: frame.data.to_vec(),
                    intact: frame.intact,
                }
            });
            return Ok(());
        }
        self.expected = number.wrapping_add(1);
        self.carry_out(frame, events);
        while let Some(held) = self.held.remove(&self.expected) {
            self.held_bytes -= HEADER + held.additional.len() + held.data.len();
            self.expected = self.expected.wrapping_add(1);
            self.carry_out(
                Frame {
                    header: held.header,
                    additional: &held.additional,
                    data: &held.data,
                    intact: held.intact,
                },
                events,
            );
        }
        Ok(())
    }

    fn carry_out(&mut self, frame: Frame<'_>, events: &mut Vec<Event>) {
        let opcode = frame.header.opcode();
        if !frame.intact && opcode != opcode::SCSI_COMMAND {
            self.reject(&frame.header, reject::DATA_DIGEST_ERROR);
            return;
        }
        match opcode {
            opcode::NOP_OUT => self.nop_out(&frame),
            opcode::TEXT => self.text_request(&frame),
            opcode::LOGOUT => self.logout(&frame.header),
            // A discovery session has nothing else (RFC 7143, 4.3).
            _ if self.discovery => self.reject(&frame.header, reject::PROTOCOL_ERROR),
            opcode::SCSI_COMMAND => self.command(frame, events),
            opcode::TASK_MANAGEMENT => self.manage(&frame.header, events),
            _ => self.reject(&frame.header, reject::COMMAND_NOT_SUPPORTED),
        }
    }

    fn login(&mut self, header: &Header, data: &[u8], events: &mut Vec<Event>) {
        let Phase::Login(login) = &mut self.phase else {
            return;
        };
        let reply = login.request(header, data);
        // A login request does not take a number of its own.
        self.expected = header.word(24);
        self.max_cmd_sn = self.expected.wrapping_add(self.config.window.max(1) - 1);
        let mut answer = Header::new(opcode::LOGIN_RESPONSE, reply.flags);
        answer.set_bytes(8, &header.lun()[..6]);
        let complete = reply.complete.is_some();
        if complete {
            answer.set_bytes(14, &self.tsih.to_be_bytes());
        }
        answer.set_word(16, header.task_tag());
        self.number(&mut answer);
        answer.set_bytes(36, &(reply.status as u16).to_be_bytes());
        let keys = reply.keys;
        frame::append(
            &mut self.out,
            answer,
            frame::Digests::default(),
            keys.len(),
            |out| {
                out.copy_from_slice(&keys);
            },
        );
        if let Some((identity, parameters)) = reply.complete {
            self.parameters = parameters;
            match identity.kind {
                crate::login::SessionKind::Discovery => self.discovery = true,
                crate::login::SessionKind::Normal(target) => self.target = target,
            }
            self.phase = Phase::FullFeature;
            events.push(Event::LoggedIn(identity));
        } else if reply.status != Status::Success {
            self.phase = Phase::Closing;
        }
    }

    /// Gives a response the next status number, and tells the window.
    fn number(&mut self, header: &mut Header) {
        header.set_word(24, self.stat_sn);
        self.stat_sn = self.stat_sn.wrapping_add(1);
        self.window(header);
    }

    /// Tells which commands may come.
    fn window(&mut self, header: &mut Header) {
        header.set_word(28, self.expected);
        let outstanding = self.tasks.len() - self.immediate_tasks;
        let room = self
            .config
            .window
            .saturating_sub(u32::try_from(outstanding).unwrap_or(u32::MAX));
        let last = self.expected.wrapping_add(room).wrapping_sub(1);
        // It never goes back.
        if pdu::before(self.max_cmd_sn, last) {
            self.max_cmd_sn = last;
        }
        header.set_word(32, self.max_cmd_sn);
    }

    fn append(&mut self, header: Header, data: &[u8]) {
        frame::append(
            &mut self.out,
            header,
            self.parameters.digests,
            data.len(),
            |out| {
                out.copy_from_slice(data);
            },
        );
    }

    /// A number that nothing else on this connection has.
    fn serial(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}
