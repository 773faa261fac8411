//! The parallel engine: a host thread per virtual processor, worker threads, one clock thread.

mod clock;
mod processor;
pub(crate) mod spin;
mod workers;

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use clock::Clock;
use parking_lot::{Condvar, Mutex};
use processor::Processor;
use workers::Workers;

use super::{Context, Engine, InterruptHandler, Irql, Job, Level, SpinLock, TimerId};

/// Called on each host thread of the engine: first, and last.
#[derive(Clone)]
pub struct ThreadHooks {
    /// Prepares the thread to run the driver's code.
    pub enter: Arc<dyn Fn() + Send + Sync>,
    /// The thread ends.
    pub leave: Arc<dyn Fn() + Send + Sync>,
}

/// Stalls shorter than this spin; longer ones give the host's processor away.
const SPIN_LIMIT: Duration = Duration::from_micros(60);

/// Whoever waits looks again after this, whether woken or not.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// System worker threads: more than one, so that work items overlap.
const WORKERS: u32 = 3;

/// Stack of a host thread. The driver's own frames need little; the lab's model runs on the same stack.
const STACK: usize = 1 << 20;

struct Shared {
    processors: Vec<Processor>,
    on_interrupt: OnceLock<InterruptHandler>,
    epoch: Instant,
    workers: Workers,
    clock: Clock,
    /// Somebody waits for a change of something that this is held to look at.
    changes: Mutex<()>,
    changed: Condvar,
    /// What threads that are started later begin and end with.
    hooks: OnceLock<ThreadHooks>,
    started: AtomicU32,
}

/// See the module's documentation.
pub struct ParallelEngine {
    shared: Arc<Shared>,
}

impl ParallelEngine {
    /// An engine whose threads do not run yet.
    #[must_use]
    pub fn new(processors: u32) -> Self {
        let shared = Arc::new(Shared {
            processors: (0..processors.clamp(1, 64))
                .map(|_| Processor::default())
                .collect(),
            on_interrupt: OnceLock::new(),
            epoch: Instant::now(),
            workers: Workers::default(),
            clock: Clock::default(),
            changes: Mutex::new(()),
            changed: Condvar::new(),
            hooks: OnceLock::new(),
            started: AtomicU32::new(0),
        });
        Self { shared }
    }

    /// Starts the threads.
    ///
    /// # Errors
    /// If the host gives no threads.
    pub fn start(&self, hooks: &ThreadHooks) -> std::io::Result<()> {
        let count = self.processors();
        let _ = self.shared.hooks.set(hooks.clone());
        for number in 0..count {
            self.spawn(hooks, &format!("processor-{number}"), number, move |shared| {
                processor::run(shared, number as usize);
            })?;
        }
        for index in 0..WORKERS {
            self.spawn(hooks, &format!("worker-{index}"), index % count, |shared| {
                shared.workers.run();
            })?;
        }
        self.spawn(hooks, "clock", 0, clock::run)
    }

    /// Names the interrupt handler; the first one stays.
    pub fn set_interrupt_handler(&self, handler: InterruptHandler) {
        let _ = self.shared.on_interrupt.set(handler);
    }

    fn spawn(
        &self,
        hooks: &ThreadHooks,
        name: &str,
        processor: u32,
        body: impl FnOnce(&Shared) + Send + 'static,
    ) -> std::io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let hooks = hooks.clone();
        // Detached: a thread may be caught inside a driver that never returns.
        thread::Builder::new()
            .name(format!("lab-{name}"))
            .stack_size(STACK)
            .spawn(move || {
                Context::with(|context| context.processor.set(processor));
                (hooks.enter)();
                body(&shared);
                (hooks.leave)();
            })?;
        Ok(())
    }
}

impl Shared {
    fn current(&self) -> Option<&Processor> {
        self.processors.get(Context::processor() as usize)
    }

    fn raise(&self, irql: Irql) -> Irql {
        let old = Context::irql();
        if irql >= Irql::DISPATCH
            && !Context::with(|context| context.occupies.get())
            && let Some(processor) = self.current()
        {
            processor.occupy();
            Context::with(|context| context.occupies.set(true));
        }
        if irql > old {
            Context::set_irql(irql);
        }
        old
    }

    fn lower(&self, irql: Irql) {
        Context::set_irql(irql);
        if irql < Irql::DISPATCH
            && Context::with(|context| context.occupies.replace(false))
            && let Some(processor) = self.current()
        {
            processor.leave();
        }
    }

    fn deliver(&self) {
        while Context::irql() < Irql::DEVICE
            && let Some(message) = self.current().and_then(Processor::take_message)
        {
            let old = self.raise(Irql::DEVICE);
            if let Some(handler) = self.on_interrupt.get() {
                handler(message);
            }
            self.lower(old);
        }
    }
}

impl Engine for ParallelEngine {
    fn processors(&self) -> u32 {
        u32::try_from(self.shared.processors.len()).unwrap_or(u32::MAX)
    }

    fn now(&self) -> Duration {
        self.shared.epoch.elapsed()
    }

    fn time_of_day(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn post(&self, processor: u32, level: Level, job: Job) {
        let count = self.shared.processors.len();
        if let Some(processor) = self.shared.processors.get(processor as usize % count) {
            processor.post(level, job);
        }
    }

    fn interrupt(&self, processor: u32, message: u16) {
        let count = self.shared.processors.len();
        if let Some(processor) = self.shared.processors.get(processor as usize % count) {
            processor.mark(message);
        }
    }

    fn work(&self, job: Job) {
        self.shared.workers.post(job);
    }

    fn thread(&self, job: Job) {
        let number = self.shared.started.fetch_add(1, Ordering::Relaxed);
        let processor = number % self.processors();
        let job = Mutex::new(Some(job));
        let run = move |_: &Shared| {
            let job = job.lock().take();
            if let Some(job) = job {
                job();
            }
        };
        let spawned = self
            .shared
            .hooks
            .get()
            .map(|hooks| self.spawn(hooks, &format!("thread-{number}"), processor, run));
        debug_assert!(matches!(spawned, Some(Ok(()))), "the host gives no thread");
    }

    fn after(&self, delay: Duration, processor: u32, job: Job) -> TimerId {
        self.shared.clock.add(Instant::now() + delay, processor, job)
    }

    fn cancel(&self, timer: TimerId) -> bool {
        self.shared.clock.cancel(timer)
    }

    fn raise(&self, irql: Irql) -> Irql {
        self.shared.raise(irql)
    }

    fn lower(&self, irql: Irql) {
        self.shared.lower(irql);
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

    fn preempt(&self) {
        if Context::with(|context| context.occupies.get()) {
            self.shared.deliver();
        }
    }

    fn register_accessed(&self) {
        self.preempt();
    }

    fn stall(&self, duration: Duration) {
        let end = Instant::now() + duration;
        if duration > SPIN_LIMIT {
            thread::sleep(duration);
        }
        while Instant::now() < end {
            thread::yield_now();
        }
    }

    fn wait(&self, timeout: Duration, ready: &mut dyn FnMut() -> bool) -> bool {
        let deadline = Instant::now().checked_add(timeout);
        let mut guard = self.shared.changes.lock();
        loop {
            if ready() {
                return true;
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return false;
            }
            self.shared.changed.wait_for(&mut guard, LOOK_AGAIN);
        }
    }

    fn wake(&self) {
        drop(self.shared.changes.lock());
        self.shared.changed.notify_all();
    }

    fn abandon(&self) -> ! {
        loop {
            thread::park();
        }
    }

    fn shut_down(&self) {
        for processor in &self.shared.processors {
            processor.stop();
        }
        self.shared.workers.stop();
        self.shared.clock.stop();
    }
}

impl Drop for ParallelEngine {
    fn drop(&mut self) {
        self.shut_down();
    }
}
