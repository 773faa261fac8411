//! The parallel engine: a host thread per virtual processor, worker threads, one clock thread.

mod clock;
mod processor;
mod workers;

use std::{
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, Instant},
};

use clock::Clock;
use processor::Processor;
use workers::Workers;

use super::{Context, Engine, Irql, Job, Level, SpinLock, TimerId};

/// Called at the device's IRQL on the message's processor.
pub type InterruptHandler = Box<dyn Fn(u16) + Send + Sync>;

/// Prepares a host thread to run the driver's code; called first on each.
pub type ThreadStart = Arc<dyn Fn() + Send + Sync>;

/// Stalls shorter than this spin; longer ones give the host's processor away.
const SPIN_LIMIT: Duration = Duration::from_micros(60);

/// System worker threads: more than one, so that work items overlap.
const WORKERS: u32 = 3;

/// Stack of a host thread. The driver's own frames need little; the lab's model runs on the same stack.
const STACK: usize = 1 << 20;

pub(super) struct Shared {
    pub(super) processors: Vec<Processor>,
    pub(super) on_interrupt: OnceLock<InterruptHandler>,
    epoch: Instant,
    workers: Workers,
    clock: Clock,
}

/// See the module's documentation.
pub struct ParallelEngine {
    shared: Arc<Shared>,
}

impl ParallelEngine {
    /// Starts the threads.
    ///
    /// # Errors
    /// If the host gives no threads.
    pub fn new(processors: u32, on_thread: &ThreadStart) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            processors: (0..processors.clamp(1, 64)).map(|_| Processor::default()).collect(),
            on_interrupt: OnceLock::new(),
            epoch: Instant::now(),
            workers: Workers::default(),
            clock: Clock::default(),
        });
        for index in 0..shared.processors.len() {
            let number = u32::try_from(index).unwrap_or(0);
            Self::spawn(&shared, on_thread, &format!("processor-{number}"), number, move |shared| {
                processor::run(shared, index);
            })?;
        }
        let count = u32::try_from(shared.processors.len()).unwrap_or(1);
        for index in 0..WORKERS {
            Self::spawn(&shared, on_thread, &format!("worker-{index}"), index % count, |shared| {
                shared.workers.run();
            })?;
        }
        Self::spawn(&shared, on_thread, "clock", 0, |shared| clock::run(shared))?;
        Ok(Self { shared })
    }

    /// Names the interrupt handler; the first one stays.
    pub fn set_interrupt_handler(&self, handler: InterruptHandler) {
        let _ = self.shared.on_interrupt.set(handler);
    }

    fn spawn(
        shared: &Arc<Shared>,
        on_thread: &ThreadStart,
        name: &str,
        processor: u32,
        body: impl FnOnce(&Shared) + Send + 'static,
    ) -> std::io::Result<()> {
        let shared = Arc::clone(shared);
        let on_thread = Arc::clone(on_thread);
        // Detached: a thread may be caught inside a driver that never returns.
        thread::Builder::new().name(format!("lab-{name}")).stack_size(STACK).spawn(move || {
            Context::with(|context| context.processor.set(processor));
            on_thread();
            body(&shared);
        })?;
        Ok(())
    }
}

impl Shared {
    fn current(&self) -> Option<&Processor> {
        self.processors.get(Context::processor() as usize)
    }

    pub(super) fn raise(&self, irql: Irql) -> Irql {
        let old = Context::irql();
        if irql >= Irql::DISPATCH
            && !Context::with(|context| context.occupies.get())
            && let Some(processor) = self.current()
        {
            processor.occupy();
            Context::with(|context| context.occupies.set(true));
        }
        if irql > old {
            Context::with(|context| context.irql.set(irql));
        }
        old
    }

    pub(super) fn lower(&self, irql: Irql) {
        Context::with(|context| context.irql.set(irql));
        if irql < Irql::DISPATCH
            && Context::with(|context| context.occupies.replace(false))
            && let Some(processor) = self.current()
        {
            processor.leave();
        }
    }

    pub(super) fn deliver(&self) {
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

    fn stall(&self, duration: Duration) {
        let end = Instant::now() + duration;
        if duration > SPIN_LIMIT {
            thread::sleep(duration);
        }
        while Instant::now() < end {
            thread::yield_now();
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
