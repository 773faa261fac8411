//! The deterministic engine: one host thread, virtual time, one seed.
//!
//! | file | idea |
//! | --- | --- |
//! | `fiber` | activities as coroutines |
//! | `state` | what can go on, and the choice among it |
//! | `clock` | virtual time and timers |
//! | `events` | the book, and its hash |
//! | `schedule` | running the machine for the caller outside |
//! | `activities` | what processors and worker threads do |
//! | `points` | where they may give way |
//! | `levels` | who has a processor alone |
//!
//! Each virtual processor has an activity of its own (its DPCs, and the work of threads at DISPATCH_LEVEL), and so has each
//! system worker thread. One of them runs at a time, until a *scheduling point*: a call of the driver into the kernel, an
//! access to a register, an atomic access or a turn of a spin loop in its own code, a spin lock, a stall, a wait. There the seed
//! decides whether it goes on; if not, it decides who does, the devices among them. In some lives the driver's code is also
//! preempted between any two instructions, by running it one instruction at a time now and then. So a life is a function of its seed: the same seed gives the same events in the same order,
//! which [`DeterministicEngine::hash`] tells in a word.
//!
//! Interrupts are no peers of what they interrupt: the interrupt routine runs on the stack of the activity that is on
//! the processor, and DPCs on that of a thread below DISPATCH_LEVEL; what was interrupted goes on when they have returned.
//! Whoever is at DISPATCH_LEVEL or above has its processor alone.
//!
//! Time passes in small steps with each choice, and in leaps when nothing can run. Work that never ends is found out by
//! counting: after a budget of choices with nothing finished, or of points of one activity that does not come to an end, waits end
//! and [`DeterministicEngine::livelock`] says what everybody was doing. Code that comes to no point at all is found by the time
//! that it takes of the host's.
//!
//! The caller outside (the lab's front-end) is not part of the machine: the machine runs only while it waits.
#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

mod activities;
mod clock;
mod events;
mod fiber;
mod levels;
mod points;
mod schedule;
mod state;

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, OnceLock},
    thread::{self, ThreadId},
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};

pub use self::events::{Event, KEPT, Record};
use self::{
    clock::Clock,
    events::Events,
    state::{DeviceSlot, Processor, State, Wait},
};
use super::{Baggage, Engine, InterruptHandler, Irql, Job, Level, SpinLock, TimerId};
use crate::{
    device::Movable,
    memory::{self, Ground},
    trap::{Point, watchdog::Watchdog},
};

/// System worker threads: more than one, so that work items overlap.
const WORKERS: usize = 3;
/// Which share of the scheduling points gives way, one in so many: the seed picks one of these for a life.
const PREEMPTION: [u32; 5] = [1, 2, 4, 16, 64];
/// Choices in a row with nothing finished.
const BUDGET: u64 = 2_000_000;
/// Choices, in budgets, while the caller outside waits for one thing.
const RESTLESS: u64 = 8;
/// In which share of the lives the driver is preempted between instructions, one in so many, and how many instructions are run
/// one by one then, at most.
const STEPPED: u32 = 4;
const STEPS: u32 = 4_000;
/// How long driver code runs on the host without a point until one is made, and how often until it is a livelock.
const PATIENCE: Duration = Duration::from_millis(50);
const OVERDUE: u32 = 40;
/// Ticks of the time-stamp counter per nanosecond.
const TIME_STAMP: u64 = 2;
/// When a life begins, since 1970: a date of no meaning (1 January 2026).
const EPOCH: Duration = Duration::from_hours(490_896);

/// Whether the driver is preempted between any two of its instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Preemption {
    /// In a share of the lives.
    #[default]
    BySeed,
    /// Never: at scheduling points only.
    AtPoints,
    /// In this one.
    BetweenInstructions,
}

/// Called once, where the activity stands that does not come to an end, with what everybody is doing.
pub type LivelockHandler = Box<dyn Fn(&str) + Send + Sync>;

/// How a life is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Virtual processors, 1 to 64.
    pub processors: u32,
    /// Decides every choice.
    pub seed: u64,
    /// Choices in a row with nothing finished until it is called a livelock.
    pub budget: u64,
    /// Events kept, the latest ones.
    pub keep_events: usize,
    /// Where the driver is preempted.
    pub preemption: Preemption,
    /// Where stacks go; wherever there is room, without it.
    pub ground: Option<Arc<Ground>>,
    /// Exchanges what else an activity carries with it, for the thread that runs the engine.
    pub exchange: fn(&mut Baggage),
}

impl Options {
    /// Two processors, the usual budget.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            processors: 2,
            seed,
            budget: BUDGET,
            keep_events: KEPT,
            preemption: Preemption::BySeed,
            ground: None,
            exchange: |_| {},
        }
    }
}

struct Shared {
    state: Mutex<State>,
    on_interrupt: OnceLock<InterruptHandler>,
    livelock: OnceLock<String>,
    on_livelock: OnceLock<LivelockHandler>,
    budget: u64,
    exchange: fn(&mut Baggage),
    thread: ThreadId,
    ground: Option<Arc<Ground>>,
    /// What uninitialised stacks hold.
    stack_fill: u64,
}

/// See the module's documentation. It runs on the host thread that made it.
pub struct DeterministicEngine {
    shared: Arc<Shared>,
    _watchdog: Watchdog,
}

impl DeterministicEngine {
    /// An engine at time zero.
    ///
    /// # Errors
    /// If the host gives no memory for stacks, or no timer.
    pub fn new(options: &Options) -> io::Result<Self> {
        let mut random = fastrand::Rng::with_seed(options.seed);
        let preemption = random.choice(PREEMPTION).unwrap_or(1);
        let stepped = match options.preemption {
            Preemption::BySeed => random.u32(0..STEPPED) == 0,
            Preemption::AtPoints => false,
            Preemption::BetweenInstructions => true,
        };
        let processors = options.processors.clamp(1, 64);
        let state = State {
            clock: Clock::default(),
            random,
            preemption,
            units: Vec::new(),
            processors: (0..processors).map(|_| Processor::default()).collect(),
            work: VecDeque::new(),
            devices: Vec::new(),
            current: None,
            events: Events::new(options.keep_events),
            idle_steps: 0,
            steps_left: if stepped { STEPS } else { 0 },
            numbers: fastrand::Rng::with_seed(options.seed ^ 0xd1ce),
            stopped: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            on_interrupt: OnceLock::new(),
            livelock: OnceLock::new(),
            on_livelock: OnceLock::new(),
            budget: options.budget,
            exchange: options.exchange,
            thread: thread::current().id(),
            ground: options.ground.clone(),
            stack_fill: fastrand::Rng::with_seed(options.seed ^ 0x57ac).u64(..),
        });
        for processor in 0..processors {
            let own = Arc::clone(&shared);
            shared.add_unit(processor, move || own.run_processor())?;
        }
        for _ in 0..WORKERS {
            let own = Arc::clone(&shared);
            shared.add_unit(0, move || own.run_worker())?;
        }
        Ok(Self {
            shared,
            _watchdog: Watchdog::start(PATIENCE)?,
        })
    }

    /// Names the interrupt handler; the first one stays.
    pub fn set_interrupt_handler(&self, handler: InterruptHandler) {
        let _ = self.shared.on_interrupt.set(handler);
    }

    /// Names who is told of a livelock; the first one stays.
    pub fn set_livelock_handler(&self, handler: LivelockHandler) {
        let _ = self.shared.on_livelock.set(handler);
    }

    /// Adds a device that moves from now on.
    pub fn add_device(&self, device: Arc<dyn Movable>) {
        self.shared
            .state()
            .devices
            .push(DeviceSlot { device, next: None });
    }

    /// Number of events so far, and a hash of all of them.
    #[must_use]
    pub fn hash(&self) -> (u64, u64) {
        let state = self.shared.state();
        (state.events.count(), state.events.hash())
    }

    /// The latest events; all, if all are kept.
    #[must_use]
    pub fn events(&self) -> Vec<Record> {
        self.shared.state().events.latest()
    }

    /// What everybody was doing when the budget was used up.
    #[must_use]
    pub fn livelock(&self) -> Option<&str> {
        self.shared.livelock.get().map(String::as_str)
    }
}

impl Shared {
    /// Never held across a switch.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    fn now(&self) -> Duration {
        self.state().clock.now()
    }
}

impl Engine for DeterministicEngine {
    fn processors(&self) -> u32 {
        u32::try_from(self.shared.state().processors.len()).unwrap_or(u32::MAX)
    }

    fn now(&self) -> Duration {
        self.shared.now()
    }

    fn time_of_day(&self) -> Duration {
        EPOCH + self.shared.now()
    }

    fn post(&self, processor: u32, level: Level, job: Job) {
        self.shared.state().post(processor, level, job);
    }

    fn interrupt(&self, processor: u32, message: u16) {
        if let Some(processor) = self.shared.state().processor(processor) {
            processor.messages.insert(message);
        }
    }

    fn work(&self, job: Job) {
        self.shared.state().work.push_back(job);
    }

    fn after(&self, delay: Duration, processor: u32, job: Job) -> TimerId {
        self.shared.state().clock.add(delay, processor, job)
    }

    fn cancel(&self, timer: TimerId) -> bool {
        let job = self.shared.state().clock.cancel(timer);
        // Dropped without the lock: what it owns may be anything.
        job.is_some()
    }

    fn raise(&self, irql: Irql) -> Irql {
        self.shared.raise(irql)
    }

    fn lower(&self, irql: Irql) {
        self.shared.lower(irql);
    }

    fn acquire(&self, lock: &SpinLock) {
        self.shared.acquire(lock);
    }

    fn try_acquire(&self, lock: &SpinLock) -> bool {
        lock.try_lock()
    }

    fn release(&self, lock: &SpinLock) {
        self.shared.release(lock);
    }

    fn preempt(&self) {
        self.shared.point();
    }

    fn register_accessed(&self) {
        self.shared.point();
    }

    fn point(&self, point: Point, address: u64) -> u32 {
        self.shared.driver_point(point, address)
    }

    fn steps(&self) -> u32 {
        /// One callback in so many, in lives with preemption between instructions.
        const AT_CALLBACK: u32 = 8;
        self.shared.state().steps(AT_CALLBACK)
    }

    fn mix(&self, values: &[u64]) {
        let mut state = self.shared.state();
        for value in values {
            state.events.mix(&[memory::relative(*value)]);
        }
    }

    fn time_stamp(&self) -> u64 {
        let mut state = self.shared.state();
        // Time does not stand still between two looks.
        state.clock.tick();
        u64::try_from(state.clock.now().as_nanos())
            .unwrap_or(u64::MAX)
            .wrapping_mul(TIME_STAMP)
    }

    fn random(&self) -> u64 {
        self.shared.state().numbers.u64(..)
    }

    fn stall(&self, duration: Duration) {
        self.shared.stall(duration);
    }

    fn wait(&self, timeout: Duration, ready: &mut dyn FnMut() -> bool) -> bool {
        self.shared.wait(timeout, ready)
    }

    fn wake(&self) {
        self.shared.state().wake(|wait| matches!(wait, Wait::Wake(_)));
    }

    fn note(&self, what: &'static str, values: [u64; 2]) {
        self.shared.state().note(Event::Note(what, values));
    }

    fn abandon(&self) -> ! {
        loop {
            assert!(self.shared.inside(), "only an activity can be abandoned");
            self.shared.suspend(Wait::Forever);
        }
    }

    fn shut_down(&self) {
        let shared = &self.shared;
        let ends: Vec<usize> = {
            let mut state = shared.state();
            if state.stopped || state.current.is_some() {
                return;
            }
            state.stopped = true;
            (0_usize..)
                .zip(&state.units)
                .filter(|(_, unit)| unit.wait == Wait::Work)
                .map(|(index, _)| index)
                .collect()
        };
        // Whoever is not inside anything comes back from its loop.
        for index in ends {
            shared.run_unit(index);
        }
        let (units, rest, timers, devices) = {
            let mut state = shared.state();
            let mut rest: Vec<Job> = state.work.drain(..).collect();
            for processor in &mut state.processors {
                rest.extend(processor.dpcs.drain(..));
                rest.extend(processor.threads.drain(..));
            }
            let timers = state.clock.clear();
            let devices = std::mem::take(&mut state.devices);
            (std::mem::take(&mut state.units), rest, timers, devices)
        };
        drop((units, rest, timers, devices));
    }
}

impl Drop for DeterministicEngine {
    fn drop(&mut self) {
        self.shut_down();
    }
}

#[cfg(test)]
mod tests;
