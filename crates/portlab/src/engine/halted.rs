//! A machine that is halted but for one processor: crash dumps and hibernation.
//!
//! One activity runs, at HIGH_LEVEL. Nothing is delivered to it: there are no interrupts, DPCs, timers or threads. What the
//! model itself puts off runs where somebody waits for it, and so does the poll of the device. A device that the lab moves is
//! moved by stalls and register accesses, in time of its own that goes on from the halted engine's.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use parking_lot::Mutex;

use super::{Context, Engine, Irql, Job, Level, SpinLock, TimerId};
use crate::device::Movable;

/// How long is stalled between two looks at the device.
const POLL: Duration = Duration::from_micros(100);
/// Shorter stalls are spun.
const SPIN_LIMIT: Duration = Duration::from_micros(50);

/// Looks at the device.
pub type Poll = Box<dyn Fn() + Send + Sync>;

/// See the module's documentation.
pub struct HaltedEngine {
    /// Its clock goes on, unless it is virtual.
    halted: Arc<dyn Engine>,
    /// Moved by this engine.
    device: Option<Arc<dyn Movable>>,
    /// Virtual time that has passed since the halt, in nanoseconds.
    passed: AtomicU64,
    put_off: Mutex<VecDeque<Job>>,
    due: Mutex<Vec<(Duration, Job)>>,
    poll: Mutex<Option<Arc<Poll>>>,
    polls: AtomicU64,
}

impl HaltedEngine {
    /// Goes on from a halted engine; `device` is what has to be moved, in virtual time.
    #[must_use]
    pub fn new(halted: Arc<dyn Engine>, device: Option<Arc<dyn Movable>>) -> Self {
        Self {
            halted,
            device,
            passed: AtomicU64::new(0),
            put_off: Mutex::default(),
            due: Mutex::default(),
            poll: Mutex::new(None),
            polls: AtomicU64::new(0),
        }
    }

    /// How the device is looked at while somebody waits.
    pub fn set_poll(&self, poll: Option<Poll>) {
        *self.poll.lock() = poll.map(Arc::new);
    }

    /// How often the device was looked at.
    #[must_use]
    pub fn polls(&self) -> u64 {
        self.polls.load(Ordering::Relaxed)
    }

    fn pass(&self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.passed.fetch_add(nanoseconds, Ordering::AcqRel);
    }

    fn move_device(&self) {
        if let Some(device) = &self.device {
            device.advance(self.now());
        }
    }

    fn run_put_off(&self) {
        let now = self.now();
        loop {
            let job = self.put_off.lock().pop_front();
            let job = job.or_else(|| {
                let mut due = self.due.lock();
                let index = due.iter().position(|(at, _)| *at <= now)?;
                Some(due.remove(index).1)
            });
            let Some(job) = job else {
                return;
            };
            job();
        }
    }
}

impl Engine for HaltedEngine {
    fn processors(&self) -> u32 {
        1
    }

    fn now(&self) -> Duration {
        self.halted.now() + Duration::from_nanos(self.passed.load(Ordering::Acquire))
    }

    fn time_of_day(&self) -> Duration {
        self.halted.time_of_day() + Duration::from_nanos(self.passed.load(Ordering::Acquire))
    }

    fn post(&self, _processor: u32, _level: Level, job: Job) {
        self.put_off.lock().push_back(job);
    }

    fn interrupt(&self, _processor: u32, _message: u16) {}

    fn work(&self, job: Job) {
        self.put_off.lock().push_back(job);
    }

    fn after(&self, delay: Duration, _processor: u32, job: Job) -> TimerId {
        self.due.lock().push((self.now() + delay, job));
        TimerId(u64::MAX)
    }

    fn cancel(&self, _timer: TimerId) -> bool {
        false
    }

    fn raise(&self, irql: Irql) -> Irql {
        let old = Context::irql();
        if irql > old {
            Context::set_irql(irql);
        }
        old
    }

    fn lower(&self, irql: Irql) {
        Context::set_irql(irql);
    }

    fn acquire(&self, lock: &SpinLock) {
        lock.lock();
    }

    fn try_acquire(&self, lock: &SpinLock) -> bool {
        lock.try_lock()
    }

    fn release(&self, lock: &SpinLock) {
        lock.unlock();
    }

    fn preempt(&self) {}

    fn register_accessed(&self) {
        if self.device.as_ref().is_some_and(|device| device.wants_to_move()) {
            self.move_device();
        }
    }

    fn stall(&self, duration: Duration) {
        if self.device.is_some() {
            self.pass(duration);
            self.move_device();
        } else if duration > SPIN_LIMIT {
            thread::sleep(duration);
        } else {
            self.halted.stall(duration);
        }
    }

    fn wait(&self, timeout: Duration, ready: &mut dyn FnMut() -> bool) -> bool {
        let end = self.now() + timeout;
        loop {
            self.run_put_off();
            if ready() {
                return true;
            }
            if self.now() >= end {
                return false;
            }
            self.stall(POLL);
            let poll = self.poll.lock().clone();
            if let Some(poll) = poll {
                self.polls.fetch_add(1, Ordering::Relaxed);
                poll();
            }
        }
    }

    fn wake(&self) {}

    fn abandon(&self) -> ! {
        loop {
            thread::park();
        }
    }

    fn shut_down(&self) {}
}
