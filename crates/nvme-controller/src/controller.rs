//! The controller: fetches, executes, completes; resets.

use std::{
    collections::BTreeMap,
    sync::atomic::{Ordering, fence},
    time::Duration,
};

use crate::{
    Memory,
    command::{Answer, Command, Fused},
    config::Config,
    fault::{Kind, Occasion, Plan, Queue},
    features::Features,
    firmware::Firmware,
    io,
    log::{Event, Events, Health},
    namespace::Namespace,
    queue::{Completion, CompletionQueue, SubmissionQueue},
    registers::{DOORBELLS, Registers, Written},
    sanitize::Sanitize,
    security::Security,
    status::Status,
    witness::{Seen, Witness},
};

/// Commands executed in one move, so that a caller that holds a lock lets it go from time to time.
const BATCH: usize = 64;
/// Commands of one submission queue in a turn (round robin, Base 1.4, 4.13.1).
const BURST: usize = 8;

/// A command that the controller has.
#[derive(Debug, Clone)]
struct Active {
    queue: u16,
    command: Command,
    /// The first half of a fused operation whose second this is.
    first: Option<Command>,
    due: Duration,
    faults: Vec<Kind>,
}

/// What a move did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moved {
    /// Interrupts, by vector. With line interrupts they say nothing; see [`Controller::line`].
    pub raised: Vec<u16>,
    /// When there is something to do without anything being written; `Duration::ZERO` for at once.
    pub next: Option<Duration>,
}

/// An NVMe controller.
#[derive(Debug)]
pub struct Controller {
    pub(crate) config: Config,
    pub(crate) registers: Registers,
    pub(crate) submission: BTreeMap<u16, SubmissionQueue>,
    pub(crate) completion: BTreeMap<u16, CompletionQueue>,
    pub(crate) namespaces: BTreeMap<u32, Namespace>,
    pub(crate) features: Features,
    pub(crate) events: Events,
    pub(crate) health: Health,
    pub(crate) security: Security,
    pub(crate) firmware: Firmware,
    pub(crate) sanitize: Sanitize,
    pub(crate) granted_queues: u16,
    /// Shadow doorbells and event indices.
    pub(crate) shadow: Option<(u64, u64)>,
    /// What stands in every `EventIdx` in place of the truth.
    event_lie: Option<u32>,
    /// A buffer that is used again.
    pub(crate) scratch: Vec<u8>,
    plan: Plan,
    active: Vec<Active>,
    /// First halves of fused operations that wait for the second.
    fused: BTreeMap<u16, Command>,
    /// Completions that come after a reset, with the next command of their queue; and how many resets there were.
    late: Vec<(u64, Completion)>,
    resets: u64,
    raised: Vec<u16>,
    now: Duration,
    gone: bool,
    random: u64,
    /// The queue whose turn it is.
    turn: u16,
    witness: Option<Witness>,
}

impl Controller {
    /// A controller that was just powered on.
    #[must_use]
    pub fn new(config: Config, namespaces: impl IntoIterator<Item = Namespace>, plan: Plan) -> Self {
        let config = Config {
            queues: config.queues.max(1),
            vectors: config.vectors.max(1),
            ..config
        };
        Self {
            registers: Registers::new(&config),
            submission: BTreeMap::new(),
            completion: BTreeMap::new(),
            namespaces: (1..).zip(namespaces).collect(),
            features: Features::default(),
            events: Events::default(),
            health: Health {
                power_cycles: 1,
                ..Health::default()
            },
            security: Security::default(),
            firmware: Firmware::new(&config.firmware),
            sanitize: Sanitize::default(),
            granted_queues: config.queues,
            shadow: None,
            event_lie: None,
            scratch: Vec::new(),
            plan,
            active: Vec::new(),
            fused: BTreeMap::new(),
            late: Vec::new(),
            resets: 0,
            raised: Vec::new(),
            now: Duration::ZERO,
            gone: false,
            random: config.seed | 1,
            turn: 0,
            witness: None,
            config,
        }
    }

    /// Reads a register: 1, 2, 4 or 8 bytes at an aligned offset of BAR 0.
    pub fn read(&mut self, offset: u64, width: u8) -> u64 {
        if self.gone {
            return u64::MAX >> (64 - 8 * u32::from(width.clamp(1, 8)));
        }
        self.registers.read(offset, width)
    }

    /// Writes a register. What follows from it happens in [`Controller::advance`], but for the register itself.
    pub fn write(&mut self, offset: u64, width: u8, value: u64) {
        if self.gone || width < 4 {
            return;
        }
        match self.registers.write(offset, width, value) {
            Written::Nothing | Written::Mask => {}
            Written::Enabled => self.enable(),
            Written::Disabled => self.disable(),
            Written::Shutdown => {
                // A normal or abrupt shutdown leaves nothing in the cache.
                self.shut_down();
            }
            Written::SubsystemReset => {
                self.forget();
                self.registers.subsystem_reset();
            }
            Written::Doorbell { index, value } => self.doorbell(index, value),
        }
    }

    /// Whether an offset is a doorbell's: such writes are frequent, and mean nothing at once.
    #[must_use]
    pub const fn is_doorbell(offset: u64) -> bool {
        offset >= DOORBELLS
    }

    /// Whether the controller answers at all.
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        self.gone
    }

    /// A shutdown from outside, as before power is switched off: nothing is left in the cache.
    pub fn shut_down(&mut self) {
        // A medium that cannot be written loses what it was to hold.
        let _ = self.flush_all();
        self.registers.shut_down();
    }

    /// Leaves the bus: a surprise removal.
    pub fn vanish(&mut self) {
        self.gone = true;
        self.forget();
    }

    /// The power fails and comes back: what was volatile is gone, and of the write cache what luck decides.
    pub fn cut_power(&mut self) {
        let mut random = self.random;
        for namespace in self.namespaces.values_mut() {
            // A medium that cannot be written loses the block, as a power cut may.
            let _ = namespace.lose_power(|| {
                // xorshift64
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random & 1 == 0
            });
        }
        self.random = random;
        self.health.power_cycles += 1;
        self.health.unsafe_shutdowns += 1;
        self.forget();
        self.late.clear();
        self.features = Features::default();
        self.registers = Registers::new(&self.config);
    }

    /// The level of the interrupt line, if the function uses it: an unmasked completion queue has entries.
    #[must_use]
    pub fn line(&self) -> bool {
        !self.gone
            && self.completion.values().any(|queue| {
                queue.has_entries() && queue.vector.is_some_and(|vector| !self.registers.masks(vector))
            })
    }

    /// A namespace, for looking at it from outside.
    #[must_use]
    pub fn peek(&self, id: u32) -> Option<&Namespace> {
        self.namespaces.get(&id)
    }

    /// Attaches or detaches a namespace, and tells it by an event.
    pub fn attach(&mut self, id: u32, attached: bool) {
        if let Some(namespace) = self.namespaces.get_mut(&id)
            && namespace.attached != attached
        {
            namespace.attached = attached;
            self.namespace_changed(id);
        }
    }

    /// Gives a namespace another size in blocks, and tells it by an event.
    pub fn resize(&mut self, id: u32, blocks: u64) {
        if let Some(namespace) = self.namespaces.get_mut(&id)
            && namespace.resize(blocks).is_ok()
        {
            self.namespace_changed(id);
        }
    }

    /// Sets a bit of the health log's critical warning, and tells it by an event where it was asked for.
    pub fn warn_of(&mut self, bit: u8) {
        self.warn(bit.min(5));
    }

    /// How often each kind of fault was set off.
    #[must_use]
    pub fn injected(&self) -> &[(&'static str, u64)] {
        self.plan.injected()
    }

    /// The time that it was told last.
    #[must_use]
    pub const fn now(&self) -> Duration {
        self.now
    }

    /// Adds to the fault plan.
    pub fn plan(&mut self) -> &mut Plan {
        &mut self.plan
    }

    /// Its submission queues, the admin queue too: identifier, entries, and the tail that the host told last.
    pub fn submission_queues(&self) -> impl Iterator<Item = (u16, u32, u32)> + '_ {
        let queues = self.submission.iter();
        queues.map(|(id, queue)| (*id, queue.entries, queue.tail))
    }

    /// Commands that the controller has fetched and not completed.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.active.len() + self.fused.len()
    }

    pub(crate) fn has_io_queues(&self) -> bool {
        self.completion.keys().any(|id| *id != 0)
    }

    fn enable(&mut self) {
        let faults = self.plan.strike(&Occasion::Enable);
        if !self.registers.configuration_is_valid() {
            self.registers.set_fatal();
            return;
        }
        let [submission, completion] = self.registers.admin_queues();
        self.submission
            .insert(0, SubmissionQueue::new(submission.0, submission.1, 0));
        self.completion
            .insert(0, CompletionQueue::new(completion.0, completion.1, Some(0)));
        self.granted_queues = self.config.queues;
        let at = self.delayed(&faults, Kind::NotReady);
        self.registers.schedule(at, true);
    }

    fn disable(&mut self) {
        let faults = self.plan.strike(&Occasion::Disable);
        if !faults.contains(&Kind::NotStopped) {
            self.forget();
        }
        let at = self.delayed(&faults, Kind::NotStopped);
        self.registers.schedule(at, false);
    }

    fn delayed(&self, faults: &[Kind], never: Kind) -> Option<Duration> {
        let slow = faults.iter().find_map(|fault| match fault {
            Kind::Slow(time) => Some(*time),
            _ => None,
        });
        (!faults.contains(&never)).then(|| self.now + slow.unwrap_or(self.config.ready_delay))
    }

    /// A controller reset: queues, commands and events are gone.
    fn forget(&mut self) {
        self.tell(Seen::Forgotten);
        self.resets += 1;
        self.submission.clear();
        self.completion.clear();
        self.active.clear();
        self.fused.clear();
        self.shadow = None;
        self.event_lie = None;
        self.features.reset();
        self.security = Security::default();
        self.firmware.reset();
        self.forget_events();
    }

    fn doorbell(&mut self, index: u32, value: u32) {
        if !self.registers.is_ready() {
            return;
        }
        let id = u16::try_from(index / 2).unwrap_or(u16::MAX);
        let known = if index.is_multiple_of(2) {
            match self.submission.get_mut(&id) {
                Some(queue) if value < queue.entries => {
                    queue.tail = value;
                    Ok(())
                }
                Some(_) => Err(1),
                None => Err(0),
            }
        } else {
            match self.completion.get_mut(&id) {
                Some(queue) if value < queue.entries => {
                    queue.head = value;
                    Ok(())
                }
                Some(_) => Err(1),
                None => Err(0),
            }
        };
        // Figure 146: a write to a register that is no doorbell, an invalid value.
        if let Err(information) = known {
            self.notify(Event::doorbell(information));
        }
    }

    /// Moves: lets time pass up to `now`, fetches and executes what the host has put, posts completions.
    pub fn advance(&mut self, now: Duration, memory: &dyn Memory) -> Moved {
        self.now = self.now.max(now);
        if self.gone {
            return Moved::default();
        }
        for kind in self.plan.strike_due(self.now) {
            self.happen(kind, None);
        }
        if self.gone {
            return Moved::default();
        }
        self.registers.settle(self.now);
        self.settle_sanitize();
        let mut executed = 0;
        if self.registers.is_ready() && !self.registers.is_fatal() {
            self.post_waiting(memory);
            executed = self.fetch(memory);
            self.execute(memory);
            self.post_waiting(memory);
        }
        let again = executed >= BATCH;
        // A controller that has failed, or is not ready, executes nothing: what it had begun is no reason to move.
        let runs = self.registers.is_ready() && !self.registers.is_fatal();
        let due = self.active.iter().map(|active| active.due).min().filter(|_| runs);
        let next = [
            due,
            self.registers.next_change(),
            self.sanitize.next_change(),
            self.plan.next_due(),
        ];
        let next = next.into_iter().flatten().min();
        Moved {
            raised: std::mem::take(&mut self.raised),
            next: if again { Some(Duration::ZERO) } else { next },
        }
    }

    /// Fetches from all queues in turn. The number of commands fetched.
    fn fetch(&mut self, memory: &dyn Memory) -> usize {
        let ids: Vec<u16> = self
            .submission
            .range(self.turn..)
            .chain(self.submission.range(..self.turn))
            .map(|(id, _)| *id)
            .collect();
        let mut fetched = 0;
        for id in ids {
            self.read_shadow_tail(id, memory);
            for _ in 0..BURST {
                if fetched >= BATCH {
                    self.turn = id;
                    return fetched;
                }
                let Some(queue) = self.submission.get_mut(&id) else {
                    break;
                };
                match queue.fetch(memory) {
                    Ok(Some(bytes)) => {
                        fetched += 1;
                        let command = Command::new(bytes);
                        self.tell(Seen::Fetched {
                            queue: id,
                            command_id: command.command_id(),
                            opcode: command.opcode(),
                            namespace: command.namespace(),
                        });
                        self.begin(id, command);
                    }
                    Ok(None) => break,
                    Err(_) => {
                        // A queue that cannot be read is a fatal error (Base 1.4, 9.5).
                        self.registers.set_fatal();
                        return fetched;
                    }
                }
                if self.registers.is_fatal() || self.gone {
                    return fetched;
                }
            }
            self.write_event_index(id, memory);
            // The host may have moved its tail just before it saw the index.
            self.read_shadow_tail(id, memory);
        }
        self.turn = self.turn.wrapping_add(1);
        let more = self.submission.values().any(|queue| queue.head != queue.tail);
        if more { fetched.max(BATCH) } else { fetched }
    }

    fn begin(&mut self, queue: u16, command: Command) {
        self.post_late(queue);
        let first = match (command.fused(), self.fused.remove(&queue)) {
            (Fused::Normal, None) => None,
            (Fused::Second, Some(first)) => Some(first),
            (Fused::First, None) => {
                self.fused.insert(queue, command);
                return;
            }
            (kind, orphan) => {
                // A half without its other half (Base 1.4, 4.12).
                if let Some(orphan) = orphan {
                    self.complete(queue, orphan.command_id(), Status::MISSING_FUSED.into(), &[]);
                }
                match kind {
                    Fused::First => {
                        self.fused.insert(queue, command);
                        return;
                    }
                    Fused::Second => {
                        self.complete(queue, command.command_id(), Status::MISSING_FUSED.into(), &[]);
                        return;
                    }
                    Fused::Reserved => {
                        self.complete(queue, command.command_id(), Status::INVALID_FIELD.into(), &[]);
                        return;
                    }
                    Fused::Normal => None,
                }
            }
        };
        let occasion = Occasion::Command {
            queue: if queue == 0 { Queue::Admin } else { Queue::Io },
            opcode: command.opcode(),
            blocks: if queue == 0 { None } else { io::blocks_of(&command) },
        };
        let faults = self.plan.strike(&occasion);
        let slow = faults.iter().find_map(|fault| match fault {
            Kind::Slow(time) => Some(*time),
            _ => None,
        });
        for fault in &faults {
            self.happen(*fault, Some(queue));
        }
        if !self.submission.contains_key(&queue) {
            return;
        }
        self.active.push(Active {
            queue,
            command,
            first,
            due: self.now + slow.unwrap_or(self.config.latency),
            faults,
        });
    }

    /// A fault happens to the controller as a whole; a command of `queue` set it off, or its time had come.
    fn happen(&mut self, fault: Kind, queue: Option<u16>) {
        match fault {
            Kind::Fatal => self.registers.set_fatal(),
            Kind::Vanish => self.vanish(),
            Kind::PowerCut => self.cut_power(),
            Kind::Storm(count) => {
                let vectors = self.config.vectors;
                let of_queue = queue.and_then(|queue| self.vector_of(queue));
                let vectors = (0..vectors).cycle().take(count as usize);
                match of_queue {
                    Some(vector) => self.raised.extend(vectors.map(|_| vector)),
                    None if queue.is_none() => self.raised.extend(vectors),
                    None => {}
                }
            }
            Kind::EventIndex(index) => self.event_lie = Some(index),
            Kind::RemoveNamespace(id) => self.attach(id, false),
            Kind::AttachNamespace(id) => self.attach(id, true),
            Kind::ResizeNamespace(id, blocks) => self.resize(id, blocks),
            _ => {}
        }
    }

    /// Has somebody told what the controller does, or nobody any more.
    pub fn set_witness(&mut self, witness: Option<Witness>) {
        self.witness = witness;
    }

    fn tell(&self, seen: Seen) {
        if let Some(Witness(hears)) = &self.witness {
            hears(seen);
        }
    }

    /// Executes what is due, in the order of fetching.
    fn execute(&mut self, memory: &dyn Memory) {
        let now = self.now;
        let mut due = Vec::new();
        self.active.retain(|active| {
            let is_due = active.due <= now;
            if is_due {
                due.push(active.clone());
            }
            !is_due
        });
        for active in due {
            // A command before it may have deleted the queue, or worse.
            if self.gone || self.registers.is_fatal() || !self.submission.contains_key(&active.queue) {
                continue;
            }
            self.execute_one(&active, memory);
        }
    }

    fn execute_one(&mut self, active: &Active, memory: &dyn Memory) {
        let (queue, command) = (active.queue, &active.command);
        let failure = active.faults.iter().find_map(|fault| match fault {
            Kind::Fail(status) => Some(Answer::from(*status)),
            _ => None,
        });
        let refused = || self.sanitize_refuses(queue, command).map(Answer::from);
        let failure = failure.or_else(refused);
        if let Some(first) = active.first {
            let (first_answer, second_answer) = self.execute_fused(&first, command, memory);
            self.complete(queue, first.command_id(), first_answer, &[]);
            self.complete(
                queue,
                command.command_id(),
                failure.unwrap_or(second_answer),
                &active.faults,
            );
            return;
        }
        let answer = if failure.is_some() {
            failure
        } else if queue == 0 {
            self.execute_admin(command, memory, &active.faults)
        } else {
            Some(self.execute_io(command, memory))
        };
        if let Some(answer) = answer {
            self.complete(queue, command.command_id(), answer, &active.faults);
        }
        // What the command unmasked follows its completion.
        self.deliver_events();
    }

    /// Compare and Write (Base 1.4, 4.12): the write happens only if the compare succeeds.
    fn execute_fused(&mut self, first: &Command, second: &Command, memory: &dyn Memory) -> (Answer, Answer) {
        use crate::command::nvm::{COMPARE, WRITE};
        let fits = first.opcode() == COMPARE
            && second.opcode() == WRITE
            && first.namespace() == second.namespace()
            && io::blocks_of(first) == io::blocks_of(second);
        if !fits {
            return (Status::INVALID_FIELD.into(), Status::INVALID_FIELD.into());
        }
        match self.compare(first, memory) {
            Ok(answer) => (answer, self.execute_io(second, memory)),
            Err(status) => (status.into(), Status::FAILED_FUSED.into()),
        }
    }

    fn vector_of(&self, queue: u16) -> Option<u16> {
        let completion = self.submission.get(&queue)?.completion_queue;
        self.completion.get(&completion)?.vector
    }

    /// Completes a command of submission queue `queue`, as well as its faults allow.
    pub(crate) fn complete(&mut self, queue: u16, command_id: u16, answer: Answer, faults: &[Kind]) {
        let Some(to) = self.submission.get(&queue).map(|queue| queue.completion_queue) else {
            return;
        };
        let mut completion = Completion {
            result: answer.result,
            submission_queue: queue,
            command_id,
            status: answer.status.field(),
            interrupts: true,
        };
        let mut copies = 1;
        for fault in faults {
            match fault {
                Kind::LoseCompletion => return,
                Kind::LateCompletion => {
                    self.late.push((self.resets, completion));
                    return;
                }
                Kind::DuplicateCompletion => copies = 2,
                Kind::WrongCommand => completion.command_id = !command_id,
                Kind::WrongQueue => completion.submission_queue = !queue,
                Kind::LoseInterrupt => completion.interrupts = false,
                _ => {}
            }
        }
        for _ in 0..copies {
            self.post(to, completion);
        }
    }

    fn post(&mut self, to: u16, completion: Completion) {
        if let Some(queue) = self.completion.get_mut(&to) {
            queue.waiting.push_back(completion);
        }
    }

    /// Posts what was held back before the last reset, now that the queue is used again.
    fn post_late(&mut self, queue: u16) {
        let resets = self.resets;
        let is_due =
            |since: u64, completion: &Completion| since < resets && completion.submission_queue == queue;
        let to = self.submission.get(&queue).map(|queue| queue.completion_queue);
        if let Some(to) = to.filter(|_| !self.late.is_empty()) {
            let (due, kept) = std::mem::take(&mut self.late)
                .into_iter()
                .partition(|(since, completion)| is_due(*since, completion));
            self.late = kept;
            for (_, completion) in due as Vec<(u64, Completion)> {
                self.post(to, completion);
            }
        }
    }

    /// Writes completions to the host while there is room.
    fn post_waiting(&mut self, memory: &dyn Memory) {
        let mut failed = false;
        for queue in self.completion.values_mut() {
            let mut interrupts = false;
            while !queue.is_full() {
                let Some(completion) = queue.waiting.pop_front() else {
                    break;
                };
                let head = self
                    .submission
                    .get(&completion.submission_queue)
                    .map_or(0, |submission| submission.head);
                failed |= queue.post(memory, completion, head).is_err();
                interrupts |= completion.interrupts;
                if let Some(Witness(hears)) = &self.witness {
                    hears(Seen::Posted {
                        queue: completion.submission_queue,
                        command_id: completion.command_id,
                        status: completion.status >> 1,
                    });
                }
            }
            if interrupts {
                self.raised.extend(queue.vector);
            }
        }
        if failed {
            self.registers.set_fatal();
        }
    }

    /// Completes every command of a queue as aborted because the queue is deleted.
    pub(crate) fn abort_queue(&mut self, id: u16) {
        let mut aborted = Vec::new();
        self.active.retain(|active| {
            if active.queue == id {
                aborted.push(active.command.command_id());
            }
            active.queue != id
        });
        aborted.extend(self.fused.remove(&id).map(|first| first.command_id()));
        for command_id in aborted {
            self.complete(id, command_id, Status::SQ_DELETED.into(), &[]);
        }
    }

    /// Aborts one command, if the controller has it still.
    pub(crate) fn abort_command(&mut self, queue: u16, id: u16) -> bool {
        let found = self
            .active
            .iter()
            .position(|active| active.queue == queue && active.command.command_id() == id);
        let Some(at) = found else { return false };
        self.active.remove(at);
        self.complete(queue, id, Status::ABORT_REQUESTED.into(), &[]);
        true
    }

    /// Shadow doorbells (Base 1.4, 7.13): the host's tail is in memory, for I/O queues.
    fn read_shadow_tail(&mut self, id: u16, memory: &dyn Memory) {
        let Some((shadow, _)) = self.shadow.filter(|_| id != 0) else {
            return;
        };
        let step = 4_u64 << self.config.stride;
        let mut bytes = [0; 4];
        let tail = shadow + 2 * u64::from(id) * step;
        if memory.read(tail, &mut bytes).is_ok()
            && let Some(queue) = self.submission.get_mut(&id)
        {
            let value = u32::from_le_bytes(bytes);
            if value < queue.entries {
                queue.tail = value;
            }
        }
        let Some(completion) = self.submission.get(&id).map(|queue| queue.completion_queue) else {
            return;
        };
        let head = shadow + (2 * u64::from(completion) + 1) * step;
        if memory.read(head, &mut bytes).is_ok()
            && let Some(queue) = self.completion.get_mut(&completion)
        {
            let value = u32::from_le_bytes(bytes);
            if value < queue.entries {
                queue.head = value;
            }
        }
    }

    /// Tells the host from which tail on, and for a full completion queue from which head on, a doorbell is needed.
    fn write_event_index(&self, id: u16, memory: &dyn Memory) {
        let Some((_, events)) = self.shadow.filter(|_| id != 0) else {
            return;
        };
        let Some(submission) = self.submission.get(&id) else {
            return;
        };
        let step = 4_u64 << self.config.stride;
        // Host memory that went away shows at the next fetch.
        let index = |truth| self.event_lie.unwrap_or(truth);
        let _ = memory.publish(events + 2 * u64::from(id) * step, index(submission.tail));
        let completion = submission.completion_queue;
        if let Some(queue) = self.completion.get(&completion).filter(|queue| queue.is_full()) {
            let _ = memory.publish(events + (2 * u64::from(completion) + 1) * step, index(queue.head));
        }
        // The indices before the look at the doorbells that follows: a host that moves at this moment sees them, or is seen.
        fence(Ordering::SeqCst);
    }
}
