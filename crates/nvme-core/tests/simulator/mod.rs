//! A scripted controller for the stepped machine: registers with the states of Base 2.0, section 3.5, admin commands at
//! the level of entries, and the lies a controller may tell.

use std::collections::{BTreeMap, BTreeSet};

use nvme::{
    Capabilities, Configuration, ControllerStatus, NamespaceId, Register, ShutdownNotification,
    ShutdownStatus, Status, StatusCode, SubmissionEntry, admin_opcode,
};
use nvme_core::control::{
    Action, Control, ControlConfig, Event, Failure, Outcome, QueuePair, Request, Tables,
};
use nvme_core::namespace::NamespaceTable;
use nvme_core::{DmaStopped, Instant, Micros};

/// A namespace of the simulated controller.
#[derive(Clone)]
pub(crate) struct Namespace {
    pub(crate) blocks: u64,
    pub(crate) lba_format: u32,
    pub(crate) flbas: u8,
    pub(crate) dps: u8,
    pub(crate) nguid: [u8; 16],
    pub(crate) descriptors: Vec<u8>,
}

impl Namespace {
    pub(crate) fn new(blocks: u64) -> Self {
        Self {
            blocks,
            lba_format: 9 << 16,
            flbas: 0,
            dps: 0,
            nguid: [0; 16],
            descriptors: Vec::new(),
        }
    }
}

/// What the controller does wrong.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a lie of its own, and they combine"
)]
#[derive(Clone, Default)]
pub(crate) struct Lies {
    /// RDY does not follow EN = 1.
    pub(crate) never_ready: bool,
    /// RDY stays set when EN is cleared.
    pub(crate) never_stops: bool,
    /// CFS is set when it is enabled.
    pub(crate) fatal_when_enabled: bool,
    /// Reads return all ones from that number of register accesses on.
    pub(crate) gone_after: Option<u32>,
    /// SHST never says complete.
    pub(crate) never_shut_down: bool,
    /// Commands of these opcodes are never completed.
    pub(crate) silent: BTreeSet<u8>,
    /// Commands of these opcodes fail with that status.
    pub(crate) failing: BTreeMap<u8, Status>,
    /// Every data page is filled with that byte.
    pub(crate) garbage: Option<u8>,
}

pub(crate) struct Controller {
    pub(crate) capabilities: Capabilities,
    pub(crate) version: u32,
    pub(crate) configuration: Configuration,
    pub(crate) status: ControllerStatus,
    pub(crate) admin: [u64; 3],
    pub(crate) ready_delay: Micros,
    changes_at: Option<(Instant, bool)>,
    pub(crate) identify: Box<[u8; 4096]>,
    pub(crate) namespaces: BTreeMap<u32, Namespace>,
    pub(crate) write_cache: bool,
    pub(crate) queues_granted: u32,
    pub(crate) events: Option<u32>,
    pub(crate) created: Vec<(u8, u16, u64)>,
    pub(crate) commands: Vec<SubmissionEntry>,
    pub(crate) accesses: u32,
    pub(crate) lies: Lies,
}

impl Controller {
    pub(crate) fn new() -> Self {
        let mut identify = Box::new([0; 4096]);
        identify[4..24].copy_from_slice(b"SERIAL01            ");
        identify[24..34].copy_from_slice(b"SIMULATED ");
        identify[77] = 5;
        identify[92..96].copy_from_slice(&(1_u32 << 8).to_le_bytes());
        identify[259] = 3;
        identify[512] = 0x66;
        identify[513] = 0x44;
        identify[516..520].copy_from_slice(&256_u32.to_le_bytes());
        identify[525] = 1;
        Self {
            capabilities: Capabilities::new()
                .with_mqes(127)
                .with_to(4)
                .with_css(1)
                .with_cqr(true),
            version: 0x0001_0400,
            configuration: Configuration::new(),
            status: ControllerStatus::new(),
            admin: [0; 3],
            ready_delay: Micros::from_millis(3),
            changes_at: None,
            identify,
            namespaces: BTreeMap::from([(1, Namespace::new(1 << 20))]),
            write_cache: true,
            queues_granted: 0x0003_0003,
            events: None,
            created: Vec::new(),
            commands: Vec::new(),
            accesses: 0,
            lies: Lies::default(),
        }
    }

    fn is_gone(&mut self) -> bool {
        self.accesses += 1;
        self.lies.gone_after.is_some_and(|limit| self.accesses > limit)
    }

    fn settle(&mut self, now: Instant) {
        if let Some((at, ready)) = self.changes_at
            && now >= at
        {
            self.changes_at = None;
            self.status.set_rdy(ready);
        }
    }

    pub(crate) fn read(&mut self, register: Register, now: Instant) -> u64 {
        if self.is_gone() {
            return if register.is_64_bit() {
                u64::MAX
            } else {
                u64::from(u32::MAX)
            };
        }
        self.settle(now);
        match register {
            Register::Capabilities => self.capabilities.into_bits(),
            Register::Version => u64::from(self.version),
            Register::Configuration => u64::from(self.configuration.into_bits()),
            Register::Status => u64::from(self.status.into_bits()),
            Register::ReadyTimeouts => 2,
            other => panic!("the machine has no business reading {other:?}"),
        }
    }

    pub(crate) fn write(&mut self, register: Register, value: u64, now: Instant) {
        if self.is_gone() {
            return;
        }
        self.settle(now);
        match register {
            Register::AdminQueueAttributes => self.admin[0] = value,
            Register::AdminSubmissionQueue => self.admin[1] = value,
            Register::AdminCompletionQueue => self.admin[2] = value,
            Register::Configuration => {
                self.configure(Configuration::from_bits(value.try_into().unwrap()), now);
            }
            Register::SubsystemReset => {
                assert_eq!(value, 0x4E56_4D65, "the signature");
                assert!(self.capabilities.nssrs(), "the register is not there");
                self.configuration = Configuration::new();
                self.status = ControllerStatus::new();
                self.changes_at = None;
                self.created.clear();
                self.events = None;
            }
            other => panic!("the machine has no business writing {other:?}"),
        }
    }

    fn configure(&mut self, new: Configuration, now: Instant) {
        let old = self.configuration;
        self.configuration = new;
        if !old.en() && new.en() {
            assert!(!self.status.rdy(), "EN set while RDY is set is undefined");
            assert_eq!((new.mps(), new.css(), new.iosqes(), new.iocqes()), (0, 0, 6, 4));
            assert!(
                self.admin.iter().all(|&value| value != 0),
                "enabled without an admin queue"
            );
            self.status = ControllerStatus::new().with_cfs(self.lies.fatal_when_enabled);
            if !self.lies.never_ready {
                self.changes_at = Some((now.after(self.ready_delay), true));
            }
        }
        if old.en() && !new.en() {
            self.created.clear();
            self.events = None;
            self.changes_at = None;
            self.status.set_cfs(false);
            self.status.set_shst(ShutdownStatus::Normal);
            if !self.lies.never_stops {
                self.changes_at = Some((now.after(self.ready_delay), false));
            }
        }
        if new.en() && new.shn() == ShutdownNotification::Normal && !self.lies.never_shut_down {
            self.status.set_shst(ShutdownStatus::Complete);
        }
    }

    /// Executes a command; `None` if it is never completed. The data page is what would have been written.
    pub(crate) fn execute(&mut self, entry: SubmissionEntry) -> Option<(Status, u32, Box<[u8; 4096]>)> {
        self.commands.push(entry);
        let opcode = entry.opcode();
        let mut data = Box::new([0_u8; 4096]);
        if self.lies.silent.contains(&opcode) {
            return None;
        }
        if let Some(&status) = self.lies.failing.get(&opcode) {
            return Some((status, 0, data));
        }
        let mut status = Status::new();
        let mut result = 0;
        match opcode {
            admin_opcode::IDENTIFY => match self.identify(entry.dword10, entry.namespace, &mut data) {
                Ok(()) => {}
                Err(code) => status = failed(code),
            },
            admin_opcode::GET_FEATURES => result = u32::from(self.write_cache),
            admin_opcode::SET_FEATURES if entry.dword10 == 7 => {
                assert!(
                    self.created.is_empty(),
                    "number of queues after a queue was created"
                );
                result = self.queues_granted;
            }
            admin_opcode::SET_FEATURES => self.events = Some(entry.dword11),
            admin_opcode::CREATE_COMPLETION_QUEUE | admin_opcode::CREATE_SUBMISSION_QUEUE => {
                let id = (entry.dword10 & 0xFFFF) as u16;
                if opcode == admin_opcode::CREATE_SUBMISSION_QUEUE {
                    let cq = (entry.dword11 >> 16) as u16;
                    let exists = self.created.iter().any(|queue| (queue.0, queue.1) == (5, cq));
                    assert!(
                        exists,
                        "submission queue into a completion queue that does not exist"
                    );
                }
                assert!(entry.dword10 >> 16 <= u32::from(self.capabilities.mqes()));
                self.created.push((opcode, id, entry.data.prp1));
            }
            admin_opcode::DELETE_SUBMISSION_QUEUE | admin_opcode::DELETE_COMPLETION_QUEUE => {
                let created = if opcode == admin_opcode::DELETE_SUBMISSION_QUEUE {
                    1
                } else {
                    5
                };
                let id = (entry.dword10 & 0xFFFF) as u16;
                let count = self.created.len();
                self.created.retain(|queue| (queue.0, queue.1) != (created, id));
                if self.created.len() == count {
                    status = failed(StatusCode::INVALID_QUEUE_IDENTIFIER);
                }
            }
            admin_opcode::GET_LOG_PAGE => {}
            admin_opcode::DOORBELL_BUFFER_CONFIG => {
                assert!(
                    self.created.is_empty(),
                    "a queue has begun without its shadow doorbells"
                );
                assert_eq!((entry.data.prp1 | entry.data.prp2) & 0xFFF, 0);
            }
            other => panic!("opcode {other:#x} was not expected"),
        }
        if let Some(byte) = self.lies.garbage {
            data.fill(byte);
        }
        Some((status, result, data))
    }

    fn identify(&self, cns: u32, id: NamespaceId, data: &mut [u8; 4096]) -> Result<(), StatusCode> {
        match cns {
            0 => {
                let Some(namespace) = self.namespaces.get(&id.0) else {
                    return Ok(());
                };
                data[0..8].copy_from_slice(&namespace.blocks.to_le_bytes());
                data[26] = namespace.flbas;
                data[29] = namespace.dps;
                data[104..120].copy_from_slice(&namespace.nguid);
                data[128..132].copy_from_slice(&namespace.lba_format.to_le_bytes());
            }
            1 => data.copy_from_slice(&*self.identify),
            2 => {
                assert!(self.version >= 0x0001_0100, "active namespace list before 1.1");
                for (chunk, id) in data.chunks_exact_mut(4).zip(self.namespaces.keys()) {
                    chunk.copy_from_slice(&id.to_le_bytes());
                }
            }
            3 => {
                assert!(self.version >= 0x0001_0300, "descriptors before 1.3");
                let namespace = self.namespaces.get(&id.0).ok_or(StatusCode::INVALID_NAMESPACE)?;
                data[..namespace.descriptors.len()].copy_from_slice(&namespace.descriptors);
            }
            _ => return Err(StatusCode::INVALID_FIELD),
        }
        Ok(())
    }
}

pub(crate) fn failed(code: StatusCode) -> Status {
    Status::new()
        .with_status_code(code.status_code())
        .with_status_code_type(code.status_code_type())
}

/// A miniport in small: it performs what the machine says, on virtual time.
pub(crate) struct Bench {
    pub(crate) controller: Controller,
    pub(crate) control: Control,
    pub(crate) namespaces: NamespaceTable,
    pub(crate) pairs: Vec<QueuePair>,
    pub(crate) now: Instant,
    pub(crate) steps: u32,
    pub(crate) reclaimed: Vec<DmaStopped>,
    pub(crate) prepared: Vec<(u16, u16)>,
    /// Whether events that nobody asked for are thrown in before each answer.
    pub(crate) noisy: bool,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let mut control = Control::new();
        control
            .configure(ControlConfig {
                admin_submission_queue: 0x1_0000,
                admin_completion_queue: 0x2_0000,
                data_page: 0x3_0000,
                shadow_doorbells: 0x4_0000,
                event_indices: 0x5_0000,
                register_bytes: 0x4000,
                admin_entries: 32,
            })
            .unwrap();
        let pairs = (0..8)
            .map(|index| QueuePair {
                submission_queue: 0x10_0000 + index * 0x1_0000,
                completion_queue: 0x20_0000 + index * 0x1_0000,
                entries: 256,
                interrupt_vector: u16::try_from(index).unwrap(),
            })
            .collect();
        Self {
            controller: Controller::new(),
            control,
            namespaces: NamespaceTable::new(),
            pairs,
            now: Instant(1000),
            steps: 0,
            reclaimed: Vec::new(),
            prepared: Vec::new(),
            noisy: false,
        }
    }

    pub(crate) fn step(&mut self, event: Event<'_>) -> Action {
        self.steps += 1;
        assert!(self.steps < 200_000, "the machine does not end");
        let mut tables = Tables {
            queue_pairs: &self.pairs,
            namespaces: &mut self.namespaces,
        };
        self.control.step(event, self.now, &mut tables)
    }

    /// Events that answer nothing; none may have an effect.
    fn make_noise(&mut self, after: Action) {
        let completion = Event::Completion {
            tag: u32::MAX,
            status: Status::new(),
            result: 7,
            data: None,
        };
        assert_eq!(self.step(completion), Action::None, "a stale completion counted");
        if !matches!(after, Action::Read(_)) {
            assert_eq!(self.step(Event::Value(u64::MAX)), Action::None);
        }
        if matches!(after, Action::Submit { .. } | Action::Wait { .. }) {
            assert_eq!(self.step(Event::Performed), Action::None);
            assert!(
                matches!(self.step(Event::Tick), Action::Wait { .. }),
                "an early tick had an effect"
            );
        }
    }

    /// Runs a request to its end.
    pub(crate) fn run(&mut self, request: Request, budget: Micros) -> Result<Outcome, Failure> {
        let end = self.now.after(budget);
        let mut action = self.step(Event::Begin { request, budget });
        loop {
            self.now = self.now.after(Micros(1));
            if self.noisy && !matches!(action, Action::Done(_) | Action::Failed(_)) {
                self.make_noise(action);
            }
            action = match action {
                Action::Read(register) => {
                    let value = self.controller.read(register, self.now);
                    self.step(Event::Value(value))
                }
                Action::Write(register, value) => {
                    self.controller.write(register, value, self.now);
                    self.step(Event::Performed)
                }
                Action::Reclaim(proof) => {
                    assert!(!self.controller.configuration.en() && !self.controller.status.rdy());
                    self.reclaimed.push(proof);
                    self.step(Event::Performed)
                }
                Action::PrepareAdminQueue { entries, .. } => {
                    assert!(!self.controller.configuration.en());
                    assert_eq!(entries, 32);
                    self.step(Event::Performed)
                }
                Action::PrepareQueuePair { index, entries, .. } => {
                    self.prepared.push((index, entries));
                    self.step(Event::Performed)
                }
                Action::Submit {
                    tag,
                    entry,
                    transfers,
                    deadline,
                } => {
                    assert!(deadline <= end, "a command may not outlast the budget");
                    assert_eq!(entry.command_id(), 0);
                    if let Some((status, result, data)) = self.controller.execute(entry) {
                        let data = transfers.then_some(&*data);
                        self.step(Event::Completion {
                            tag,
                            status,
                            result,
                            data,
                        })
                    } else {
                        self.now = self.now.max(deadline);
                        self.step(Event::Tick)
                    }
                }
                Action::Wait { until } => {
                    assert!(until <= end, "a wait may not outlast the budget");
                    self.now = self.now.max(until);
                    self.step(Event::Tick)
                }
                Action::None => panic!("nothing asked and nothing finished"),
                Action::Done(outcome) => {
                    assert!(!self.control.is_busy());
                    return Ok(outcome);
                }
                Action::Failed(failure) => {
                    assert!(!self.control.is_busy());
                    return Err(failure);
                }
            };
        }
    }
}
