//! What moves the controller: a thread that wakes for doorbells and for its own deadlines.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nvme_controller::{Controller, Memory, OutOfRange};
use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};

use crate::{
    device::{DmaWatch, InterruptSink, LineSink},
    engine::parallel::spin,
    memory::SharedMemory,
};

/// Doorbells that have a place; a controller has two for each queue pair and two for the admin queue.
const DOORBELLS: usize = 2 * 1024;
/// In a doorbell's place: the host has written it.
const WRITTEN: u64 = 1 << 63;

/// Who is told of interrupts.
#[derive(Default)]
pub(super) struct Sinks {
    pub(super) messages: Option<(u16, InterruptSink)>,
    pub(super) line: Option<LineSink>,
}

/// The memory that the controller reaches by bus address.
pub(super) struct BusMemory {
    base: u64,
    shared: SharedMemory,
    watch: RwLock<Option<Arc<dyn DmaWatch>>>,
}

impl BusMemory {
    pub(super) fn new(base: u64, shared: SharedMemory) -> Self {
        Self {
            base,
            shared,
            watch: RwLock::new(None),
        }
    }

    /// Names who is told of accesses.
    pub(super) fn watch(&self, watch: Arc<dyn DmaWatch>) {
        *self.watch.write() = Some(watch);
    }

    fn tell(&self, address: u64, length: usize, write: bool) {
        if let Some(watch) = &*self.watch.read() {
            watch.accessed(address, length, write);
        }
    }

    fn reach(&self, address: u64, length: usize, access: impl FnOnce(u64) -> bool) -> Result<(), OutOfRange> {
        let done = address.checked_sub(self.base).is_some_and(access);
        done.then_some(()).ok_or(OutOfRange { address, length })
    }
}

impl Memory for BusMemory {
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), OutOfRange> {
        self.tell(address, buffer.len(), false);
        self.reach(address, buffer.len(), |offset| self.shared.read(offset, buffer))
    }

    fn write(&self, address: u64, data: &[u8]) -> Result<(), OutOfRange> {
        self.tell(address, data.len(), true);
        self.reach(address, data.len(), |offset| self.shared.write(offset, data))
    }

    fn publish(&self, address: u64, dword: u32) -> Result<(), OutOfRange> {
        self.tell(address, 4, true);
        self.reach(address, 4, |offset| self.shared.publish(offset, dword))
    }
}

/// The controller and all that reaches it.
pub(super) struct Shared {
    controller: Mutex<Controller>,
    pub(super) memory: BusMemory,
    /// The last value of each doorbell that the controller has not been told yet.
    doorbells: Box<[AtomicU64]>,
    any_doorbell: AtomicBool,
    stride: u64,
    pub(super) sinks: Mutex<Sinks>,
    line_was_up: AtomicBool,
    /// The thread is to look again.
    wanted: AtomicBool,
    /// The thread sleeps, or is about to.
    asleep: AtomicBool,
    sleep: Mutex<()>,
    wake: Condvar,
    stopped: AtomicBool,
    time: Time,
}

/// By what time the controller lives.
#[derive(Debug)]
pub(super) enum Time {
    /// The host's, since then: a [`Runner`] moves it.
    Host(Instant),
    /// What it was told last, in nanoseconds: whoever tells moves it.
    Told(AtomicU64),
}

impl Shared {
    pub(super) fn new(controller: Controller, memory: BusMemory, stride: u8, time: Time) -> Self {
        Self {
            controller: Mutex::new(controller),
            memory,
            doorbells: (0..DOORBELLS).map(|_| AtomicU64::new(0)).collect(),
            any_doorbell: AtomicBool::new(false),
            stride: 4 << stride,
            sinks: Mutex::new(Sinks::default()),
            line_was_up: AtomicBool::new(false),
            wanted: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            sleep: Mutex::new(()),
            wake: Condvar::new(),
            stopped: AtomicBool::new(false),
            time,
        }
    }

    fn now(&self) -> Duration {
        match &self.time {
            Time::Host(began) => began.elapsed(),
            Time::Told(time) => Duration::from_nanos(time.load(Ordering::Acquire)),
        }
    }

    /// The controller, told of every doorbell written before.
    pub(super) fn controller(&self) -> MutexGuard<'_, Controller> {
        let mut controller = self.controller.lock();
        self.ring(&mut controller);
        controller
    }

    fn ring(&self, controller: &mut Controller) {
        if !self.any_doorbell.swap(false, Ordering::AcqRel) {
            return;
        }
        for (index, doorbell) in (0_u64..).zip(&self.doorbells) {
            if doorbell.load(Ordering::Relaxed) & WRITTEN == 0 {
                continue;
            }
            let value = doorbell.swap(0, Ordering::AcqRel);
            if value & WRITTEN != 0 {
                controller.write(0x1000 + index * self.stride, 4, value & !WRITTEN);
            }
        }
    }

    /// The place of a doorbell, if the register is one.
    fn doorbell(&self, offset: u64) -> Option<&AtomicU64> {
        let at = offset
            .checked_sub(0x1000)
            .filter(|at| at.is_multiple_of(self.stride))?;
        self.doorbells.get(usize::try_from(at / self.stride).ok()?)
    }

    /// Writes a register.
    pub(super) fn write(&self, offset: u64, width: u8, value: u64) {
        match self.doorbell(offset) {
            // Frequent, and means nothing at once: no lock is taken for it.
            Some(doorbell) if width == 4 => {
                doorbell.store(value & 0xffff_ffff | WRITTEN, Ordering::Release);
                self.any_doorbell.store(true, Ordering::Release);
            }
            _ => self.controller().write(offset, width, value),
        }
        self.look();
    }

    /// Has the thread look.
    pub(super) fn look(&self) {
        // Either the thread sees that it is wanted, or this sees that the thread sleeps.
        if !self.wanted.swap(true, Ordering::SeqCst) && self.asleep.load(Ordering::SeqCst) {
            let _sleep = self.sleep.lock();
            self.wake.notify_one();
        }
    }

    /// Moves the controller once; when it wants to be moved next.
    fn advance(&self) -> Option<Duration> {
        let mut controller = self.controller();
        let moved = controller.advance(self.now(), &self.memory);
        let rises = self.rises(controller.line());
        drop(controller);
        self.tell(&moved.raised, rises);
        moved.next
    }

    /// Whether the lab moves the controller.
    pub(super) fn is_told(&self) -> bool {
        matches!(self.time, Time::Told(_))
    }

    /// Whether it is to look.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::SeqCst)
    }

    /// Moves the controller at a time that it is told; when it wants to be moved next.
    pub(super) fn advance_at(&self, now: Duration) -> Option<Duration> {
        if let Time::Told(time) = &self.time {
            time.store(
                u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
                Ordering::Release,
            );
        }
        self.wanted.store(false, Ordering::SeqCst);
        self.advance()
    }

    /// Whether the line was down when it was seen last. Under the controller's lock: levels seen out of order would lose a rise.
    fn rises(&self, line: bool) -> bool {
        !self.line_was_up.swap(line, Ordering::AcqRel) && line
    }

    fn tell(&self, raised: &[u16], rises: bool) {
        if raised.is_empty() && !rises {
            return;
        }
        let sinks = self.sinks.lock();
        if let Some((count, sink)) = &sinks.messages {
            for vector in raised.iter().filter(|vector| *vector < count) {
                sink(*vector);
            }
        }
        if rises && let Some(sink) = &sinks.line {
            sink();
        }
    }

    /// The line's level, after everything written before.
    pub(super) fn line(&self) -> bool {
        let mut controller = self.controller();
        let moved = controller.advance(self.now(), &self.memory);
        let line = controller.line();
        let rises = self.rises(line);
        drop(controller);
        self.tell(&moved.raised, rises);
        self.look();
        line
    }

    fn is_due(&self, next: Option<Duration>) -> bool {
        next.is_some_and(|at| at <= self.now())
    }

    fn sleep_until(&self, next: Option<Duration>, called: impl Fn() -> bool) {
        let mut sleep = self.sleep.lock();
        self.asleep.store(true, Ordering::SeqCst);
        while !called() && !self.is_due(next) {
            match next {
                None => self.wake.wait(&mut sleep),
                Some(at) => {
                    self.wake.wait_for(&mut sleep, at.saturating_sub(self.now()));
                }
            }
        }
        self.asleep.store(false, Ordering::SeqCst);
    }

    fn run(&self) {
        let mut next = None;
        loop {
            let called = || self.is_wanted() || self.stopped.load(Ordering::Acquire);
            if !spin::until(|| called() || self.is_due(next)) {
                self.sleep_until(next, called);
            }
            self.wanted.store(false, Ordering::SeqCst);
            if self.stopped.load(Ordering::Acquire) {
                return;
            }
            next = self.advance();
        }
    }
}

/// The thread.
#[derive(Debug)]
pub(super) struct Runner {
    thread: Option<JoinHandle<()>>,
}

impl Runner {
    pub(super) fn start(shared: &Arc<Shared>) -> std::io::Result<Self> {
        let shared = Arc::clone(shared);
        let thread = thread::Builder::new()
            .name("nvme controller".to_owned())
            .spawn(move || shared.run())?;
        Ok(Self { thread: Some(thread) })
    }

    /// Ends the thread.
    pub(super) fn stop(&mut self, shared: &Shared) {
        shared.stopped.store(true, Ordering::Release);
        shared.look();
        // The thread itself may be who lets go of the device: it ends by itself then.
        let other = |thread: &JoinHandle<()>| thread.thread().id() != thread::current().id();
        if let Some(thread) = self.thread.take().filter(other) {
            // A panic of the controller was printed when it happened.
            let _ = thread.join();
        }
    }
}
