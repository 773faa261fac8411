//! Virtual processors, IRQL, DPCs, timers, worker threads.
//!
//! The model says *what* runs (an interrupt message, a DPC, a request, a work item) and at which IRQL; an
//! [`Engine`] says *when* and on which host thread. [`parallel`] gives every virtual processor a host thread,
//! so that the driver meets real concurrency; [`deterministic`] runs everything on one thread in virtual time, so that a
//! seed replays.
//!
//! Rules every engine keeps:
//! - at most one activity at DISPATCH_LEVEL or above runs on a virtual processor at a time, except that
//!   interrupts nest over lower IRQLs (at the driver's calls into the kernel and its register accesses);
//! - work at PASSIVE_LEVEL runs on system threads, which occupy a processor only while they are raised;
//! - a spin lock held by one activity makes every other one wait.

pub mod context;
pub mod deterministic;
pub mod halted;
pub mod irql;
pub mod lock;
pub mod parallel;

use std::time::Duration;

pub use context::{Baggage, Context, HeldLock};
pub use irql::Irql;
pub use lock::{LockName, SpinLock};

use crate::trap::Point;

/// Called at the device's IRQL on the message's processor.
pub type InterruptHandler = Box<dyn Fn(u16) + Send + Sync>;

/// Something to run.
pub type Job = Box<dyn FnOnce() + Send>;

/// What a virtual processor runs first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// A deferred procedure call: before threads, in order.
    Dpc,
    /// Work of a thread that has raised itself to DISPATCH_LEVEL: a request on its way to the miniport.
    Thread,
}

/// Identifies a pending timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimerId(pub u64);

/// Schedules activities over virtual processors.
pub trait Engine: Send + Sync {
    /// Number of virtual processors.
    fn processors(&self) -> u32;

    /// Time since the engine began.
    fn now(&self) -> Duration;

    /// The time of day, since 1970.
    fn time_of_day(&self) -> Duration;

    /// Runs `job` at DISPATCH_LEVEL on a processor, soon.
    fn post(&self, processor: u32, level: Level, job: Job);

    /// Marks an interrupt message pending on its target processor; the engine calls its interrupt handler at
    /// the device's IRQL as soon as that processor's IRQL permits. May be called from any thread.
    fn interrupt(&self, processor: u32, message: u16);

    /// Runs `job` at PASSIVE_LEVEL on a system worker thread.
    fn work(&self, job: Job);

    /// Runs `job` at PASSIVE_LEVEL on a system thread of its own, which may wait for as long as it likes.
    fn thread(&self, job: Job) {
        self.work(job);
    }

    /// Runs `job` at DISPATCH_LEVEL on `processor` when `delay` has passed.
    fn after(&self, delay: Duration, processor: u32, job: Job) -> TimerId;

    /// Forgets a timer; `false` if it has fired or never was.
    fn cancel(&self, timer: TimerId) -> bool;

    /// Raises the current activity's IRQL; the previous one is returned. Raising to a lower IRQL is ignored.
    fn raise(&self, irql: Irql) -> Irql;

    /// Goes back to a lower IRQL.
    fn lower(&self, irql: Irql);

    /// Waits until `lock` is free and takes it. The caller has raised its IRQL and does not hold it.
    fn acquire(&self, lock: &SpinLock);

    /// Takes `lock` if it is free.
    fn try_acquire(&self, lock: &SpinLock) -> bool;

    /// Gives `lock` back; only its holder does that.
    fn release(&self, lock: &SpinLock);

    /// Delivers what is pending on this processor and allowed at the current IRQL; called when the driver's
    /// call into the kernel returns.
    fn preempt(&self);

    /// The driver has read or written a register.
    fn register_accessed(&self) {}

    /// The driver's own code is at a scheduling point, at this address; after how many of its instructions the next one is to
    /// come by stepping, 0 for never.
    fn point(&self, point: Point, address: u64) -> u32 {
        let _ = (point, address);
        self.preempt();
        0
    }

    /// A callback of the driver is about to begin: after how many of its instructions a point is to come, 0 for none.
    fn steps(&self) -> u32 {
        0
    }

    /// Adds what the driver was told (addresses, for example) to the book, where the engine keeps one.
    fn mix(&self, values: &[u64]) {
        let _ = values;
    }

    /// The processor's time-stamp counter, where the driver's reading it is trapped.
    fn time_stamp(&self) -> u64 {
        u64::try_from(self.now().as_nanos()).unwrap_or(u64::MAX)
    }

    /// What `rdrand` gives, where it is trapped.
    fn random(&self) -> u64 {
        self.time_stamp().wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// Busy-waits.
    fn stall(&self, duration: Duration);

    /// Waits at PASSIVE_LEVEL, or outside of the machine, until `ready` says so; `false` if it does not for `timeout`. It is
    /// asked after each [`Engine::wake`] and at other times; it takes no long-held lock and does not wake.
    fn wait(&self, timeout: Duration, ready: &mut dyn FnMut() -> bool) -> bool;

    /// Something has changed that somebody may wait for.
    fn wake(&self);

    /// Notes what the model does, where the engine keeps a book.
    fn note(&self, what: &'static str, values: [u64; 2]) {
        let _ = (what, values);
    }

    /// Leaves the current activity where it is, for good.
    fn abandon(&self) -> !;

    /// Ends the engine's threads. Activities inside the driver that never return are left behind.
    fn shut_down(&self);
}
