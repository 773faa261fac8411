//! The deterministic engine: one host thread, virtual time, one seed.
//!
//! | file | idea |
//! | --- | --- |
//! | `fiber` | activities as coroutines |
//! | `state` | what can go on, and the choice among it |
//! | `clock` | virtual time and timers |
//! | `events` | the book, and its hash |
//!
//! Each virtual processor has an activity of its own (its DPCs, and the work of threads at DISPATCH_LEVEL), and so has each
//! system worker thread. One of them runs at a time, until a *scheduling point*: a call of the driver into the kernel, an
//! access to a register, a spin lock, a stall, a wait. There the seed decides whether it goes on; if not, it decides who does,
//! the devices among them. So a life is a function of its seed: the same seed gives the same events in the same order,
//! which [`DeterministicEngine::hash`] tells in a word.
//!
//! Interrupts are no peers of what they interrupt: the interrupt routine runs on the stack of the activity that is on
//! the processor, and DPCs on that of a thread below DISPATCH_LEVEL; what was interrupted goes on when they have returned.
//! Whoever is at DISPATCH_LEVEL or above has its processor alone.
//!
//! Time passes in small steps with each choice, and in leaps when nothing can run. Work that never ends is found out by
//! counting: after a budget of choices with nothing finished, waits end and [`DeterministicEngine::livelock`] says what everybody
//! was doing.
//!
//! The caller outside (the lab's front-end) is not part of the machine: the machine runs only while it waits.
#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

mod clock;
mod events;
mod fiber;
mod state;

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, OnceLock},
    thread::{self, ThreadId},
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};

pub use self::events::{Event, Record};
use self::{
    clock::Clock,
    events::Events,
    fiber::Fiber,
    state::{Choice, DeviceSlot, Processor, State, Unit, Wait},
};
use super::{Baggage, Context, Engine, InterruptHandler, Irql, Job, Level, SpinLock, TimerId};
use crate::{device::Movable, trap};

/// System worker threads: more than one, so that work items overlap.
const WORKERS: usize = 3;
/// Which share of the scheduling points gives way, one in so many: the seed picks one of these for a life.
const PREEMPTION: [u32; 5] = [1, 2, 4, 16, 64];
/// Choices in a row with nothing finished.
const BUDGET: u64 = 2_000_000;
/// When a life begins, since 1970: a date of no meaning (1 January 2026).
const EPOCH: Duration = Duration::from_hours(490_896);

/// How a life is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Virtual processors, 1 to 64.
    pub processors: u32,
    /// Decides every choice.
    pub seed: u64,
    /// Choices in a row with nothing finished until it is called a livelock.
    pub budget: u64,
    /// Keeps all events, not only the latest.
    pub keep_events: bool,
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
            keep_events: false,
            exchange: |_| {},
        }
    }
}

struct Shared {
    state: Mutex<State>,
    on_interrupt: OnceLock<InterruptHandler>,
    livelock: OnceLock<String>,
    budget: u64,
    exchange: fn(&mut Baggage),
    thread: ThreadId,
}

/// See the module's documentation. It runs on the host thread that made it.
pub struct DeterministicEngine {
    shared: Arc<Shared>,
}

impl DeterministicEngine {
    /// An engine at time zero.
    ///
    /// # Errors
    /// If the host gives no memory for stacks.
    pub fn new(options: &Options) -> io::Result<Self> {
        let mut random = fastrand::Rng::with_seed(options.seed);
        let preemption = random.choice(PREEMPTION).unwrap_or(1);
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
            stopped: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            on_interrupt: OnceLock::new(),
            livelock: OnceLock::new(),
            budget: options.budget,
            exchange: options.exchange,
            thread: thread::current().id(),
        });
        for processor in 0..processors {
            let own = Arc::clone(&shared);
            shared.add_unit(processor, move || own.run_processor())?;
        }
        for _ in 0..WORKERS {
            let own = Arc::clone(&shared);
            shared.add_unit(0, move || own.run_worker())?;
        }
        Ok(Self { shared })
    }

    /// Names the interrupt handler; the first one stays.
    pub fn set_interrupt_handler(&self, handler: InterruptHandler) {
        let _ = self.shared.on_interrupt.set(handler);
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

    fn add_unit(&self, processor: u32, body: impl FnOnce() + 'static) -> io::Result<()> {
        let context = Context::default();
        context.processor.set(processor);
        let unit = Unit {
            fiber: Some(Fiber::new(body)?),
            wait: Wait::Work,
            context,
            baggage: None,
        };
        self.state().units.push(unit);
        Ok(())
    }

    /// A processor's own activity.
    fn run_processor(&self) {
        let number = Context::processor();
        loop {
            let job = {
                let mut state = self.state();
                if state.stopped {
                    return;
                }
                let idle =
                    |processor: &mut Processor| processor.dpcs.is_empty() && processor.messages.is_empty();
                let idle = state.processor(number).is_none_or(idle);
                let job = state.processor(number).and_then(|processor| {
                    // DPCs and interrupts first.
                    idle.then(|| processor.threads.pop_front()).flatten()
                });
                if job.is_some() {
                    state.note(Event::Thread(number));
                }
                if idle && job.is_none() { None } else { Some(job) }
            };
            match job {
                None => self.suspend(Wait::Work),
                Some(None) => self.serve(true),
                Some(Some(job)) => {
                    let old = self.raise(Irql::DISPATCH);
                    job();
                    self.finished();
                    self.lower(old);
                }
            }
        }
    }

    /// A system worker thread.
    fn run_worker(&self) {
        loop {
            let job = {
                let mut state = self.state();
                if state.stopped {
                    return;
                }
                let job = state.work.pop_front();
                if job.is_some() {
                    // A thread runs where there is room.
                    let free: Vec<u32> = (0_u32..)
                        .zip(&state.processors)
                        .filter(|(_, processor)| processor.owner.is_none())
                        .map(|(number, _)| number)
                        .collect();
                    let number = state.random.choice(free).unwrap_or(0);
                    state.note(Event::Work(number));
                    Context::with(|context| context.processor.set(number));
                    trap::set_current_processor(number);
                }
                job
            };
            match job {
                None => self.suspend(Wait::Work),
                Some(job) => {
                    job();
                    self.finished();
                }
            }
        }
    }

    fn finished(&self) {
        self.state().idle_steps = 0;
    }

    /// The current activity gives way; returns when it is chosen again.
    fn suspend(&self, wait: Wait) {
        {
            let mut state = self.state();
            let current = state.current;
            if let Some(unit) = current.and_then(|index| state.units.get_mut(index)) {
                unit.wait = wait;
            }
        }
        fiber::give_way();
    }

    /// Whether an activity of the machine runs, not the caller outside.
    fn inside(&self) -> bool {
        self.state().current.is_some()
    }

    /// Handles what is pending on the current processor and may be handled now: DPCs surely, interrupts sooner or later
    /// unless `surely`.
    fn serve(&self, surely: bool) {
        enum Pending {
            Message(u16),
            Dpc(Job),
        }
        let number = Context::processor();
        loop {
            let irql = Context::irql();
            let pending = {
                let mut state = self.state();
                if state.current.is_none() {
                    return;
                }
                let now = surely || state.chance(2);
                let messages: Vec<u16> = state
                    .processor(number)
                    .map(|processor| processor.messages.iter().copied().collect())
                    .unwrap_or_default();
                if irql < Irql::DEVICE
                    && now
                    && let Some(message) = state.random.choice(messages)
                {
                    if let Some(processor) = state.processor(number) {
                        processor.messages.remove(&message);
                    }
                    state.note(Event::Interrupt {
                        processor: number,
                        message,
                    });
                    Some(Pending::Message(message))
                } else if irql < Irql::DISPATCH
                    && let Some(job) = state
                        .processor(number)
                        .and_then(|processor| processor.dpcs.pop_front())
                {
                    state.note(Event::Dpc(number));
                    Some(Pending::Dpc(job))
                } else {
                    None
                }
            };
            match pending {
                None => return,
                Some(Pending::Message(message)) => {
                    let old = self.raise(Irql::DEVICE);
                    if let Some(handler) = self.on_interrupt.get() {
                        handler(message);
                    }
                    self.descend(old);
                }
                Some(Pending::Dpc(job)) => {
                    let old = self.raise(Irql::DISPATCH);
                    job();
                    self.finished();
                    self.descend(old);
                }
            }
            // Interrupts that never cease are a livelock too.
            self.count_step();
        }
    }

    /// A scheduling point.
    fn point(&self) {
        if !self.inside() {
            return;
        }
        self.serve(false);
        let away = {
            let mut state = self.state();
            let one_in = state.preemption;
            state.chance(one_in)
        };
        if away {
            self.suspend(Wait::Nothing);
            self.serve(false);
        } else {
            self.count_step();
        }
    }

    /// Counts a step of an activity that goes on; one that never finishes anything stays behind here.
    fn count_step(&self) {
        let over = {
            let mut state = self.state();
            state.clock.tick();
            state.idle_steps += 1;
            state.idle_steps > self.budget
        };
        if over {
            self.suspend(Wait::Nothing);
        }
    }

    fn raise(&self, irql: Irql) -> Irql {
        let old = Context::irql();
        if irql >= Irql::DISPATCH && !Context::with(|context| context.occupies.get()) {
            let mut state = self.state();
            if let Some(current) = state.current
                && let Some(processor) = state.processor(Context::processor())
            {
                // Whoever runs, runs on a processor that nobody else has.
                debug_assert_eq!(processor.owner, None);
                processor.owner = Some(current);
                Context::with(|context| context.occupies.set(true));
            }
        }
        if irql > old {
            Context::set_irql(irql);
        }
        old
    }

    fn descend(&self, irql: Irql) {
        Context::set_irql(irql);
        if irql < Irql::DISPATCH
            && Context::with(|context| context.occupies.replace(false))
            && let Some(processor) = self.state().processor(Context::processor())
        {
            processor.owner = None;
        }
    }

    fn lower(&self, irql: Irql) {
        self.descend(irql);
        if irql < Irql::DISPATCH {
            // DPCs that were queued meanwhile come before what this activity would do next.
            self.serve(false);
        }
    }

    fn acquire(&self, lock: &SpinLock) {
        self.point();
        while !lock.try_lock() {
            if self.inside() {
                self.state().note(Event::Contended(lock.name()));
                self.suspend(Wait::Lock(std::ptr::from_ref(lock).addr()));
                self.serve(false);
            } else if !self.run_until(Duration::MAX, &mut || !lock.is_locked()) {
                return;
            }
        }
    }

    fn release(&self, lock: &SpinLock) {
        lock.unlock();
        let address = std::ptr::from_ref(lock).addr();
        self.state().wake(|wait| wait == Wait::Lock(address));
    }

    fn now(&self) -> Duration {
        self.state().clock.now()
    }

    fn stall(&self, duration: Duration) {
        let end = self.now().saturating_add(duration);
        if !self.inside() {
            self.run_until(end, &mut || false);
            return;
        }
        loop {
            self.serve(false);
            if self.now() >= end {
                return;
            }
            self.suspend(Wait::Until(end));
        }
    }

    fn wait(&self, timeout: Duration, ready: &mut dyn FnMut() -> bool) -> bool {
        let end = self.now().saturating_add(timeout);
        if !self.inside() {
            return self.run_until(end, ready);
        }
        loop {
            if ready() {
                return true;
            }
            if self.now() >= end {
                return false;
            }
            self.suspend(Wait::Wake(end));
        }
    }

    /// Runs the machine, for the caller outside, until `ready` or the time `end`.
    fn run_until(&self, end: Duration, ready: &mut dyn FnMut() -> bool) -> bool {
        assert_eq!(
            thread::current().id(),
            self.thread,
            "the deterministic engine runs on the host thread that made it"
        );
        self.finished();
        loop {
            if ready() {
                return true;
            }
            let choice = {
                let mut state = self.state();
                if state.stopped || self.livelock.get().is_some() || state.clock.now() >= end {
                    return false;
                }
                state.clock.tick();
                state.fire_timers();
                state.idle_steps += 1;
                if state.idle_steps > self.budget {
                    let _ = self.livelock.set(state.situation());
                    return false;
                }
                let choice = state.choose();
                if choice.is_none() {
                    let then = state.next_deadline().unwrap_or(Duration::MAX).min(end);
                    if then == Duration::MAX {
                        // Nothing will ever happen again.
                        return false;
                    }
                    let passed = state.clock.pass(then);
                    state.note(Event::Passes(passed));
                }
                choice
            };
            match choice {
                Some(Choice::Unit(index)) => self.run_unit(index),
                Some(Choice::Device(index)) => self.move_device(index),
                None => {}
            }
        }
    }

    fn run_unit(&self, index: usize) {
        let fiber = {
            let mut state = self.state();
            state.note(Event::Run(index));
            state.current = Some(index);
            self.exchange(&mut state, index)
        };
        let Some(mut fiber) = fiber else {
            return;
        };
        let goes_on = fiber.resume();
        let mut state = self.state();
        self.exchange(&mut state, index);
        state.current = None;
        if let Some(unit) = state.units.get_mut(index) {
            unit.fiber = goes_on.then_some(fiber);
        }
    }

    /// Exchanges the thread's context with an activity's, both ways; the activity's fiber.
    fn exchange(&self, state: &mut State, index: usize) -> Option<Fiber> {
        let unit = state.units.get_mut(index)?;
        Context::exchange(&unit.context);
        (self.exchange)(&mut unit.baggage);
        trap::set_current_processor(Context::processor());
        unit.fiber.take()
    }

    fn move_device(&self, index: usize) {
        let device = {
            let mut state = self.state();
            state.note(Event::Device(index));
            let slot = state.devices.get(index);
            slot.map(|slot| (Arc::clone(&slot.device), state.clock.now()))
        };
        // Without the state's lock: it raises interrupts.
        if let Some((device, now)) = device {
            let next = device.advance(now);
            if let Some(slot) = self.state().devices.get_mut(index) {
                slot.next = next;
            }
        }
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
