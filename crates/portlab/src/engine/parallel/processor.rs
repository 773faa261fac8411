//! One virtual processor: who occupies it, and what waits for it.
#![expect(
    unsafe_code,
    reason = "the occupancy lock is released by another call than the one that took it"
)]

use std::{
    collections::{BTreeSet, VecDeque},
    sync::atomic::{AtomicBool, Ordering},
};

use parking_lot::{Condvar, Mutex, MutexGuard, lock_api::RawMutex as _, lock_api::RawMutexFair as _};

use super::{Shared, spin};
use crate::engine::{Irql, Job, Level};

#[derive(Default)]
struct Queues {
    messages: BTreeSet<u16>,
    dpcs: VecDeque<Job>,
    threads: VecDeque<Job>,
    stopped: bool,
}

pub(super) struct Processor {
    /// Held by whoever runs here at DISPATCH_LEVEL or above.
    occupied: parking_lot::RawMutex,
    queues: Mutex<Queues>,
    wake: Condvar,
    /// Something was put into the queues that has not been looked at.
    news: AtomicBool,
}

impl Default for Processor {
    fn default() -> Self {
        Self {
            occupied: parking_lot::RawMutex::INIT,
            queues: Mutex::default(),
            wake: Condvar::new(),
            news: AtomicBool::new(false),
        }
    }
}

impl Processor {
    pub(super) fn occupy(&self) {
        self.occupied.lock();
    }

    pub(super) fn leave(&self) {
        // SAFETY: the engine's context says that this activity occupies the processor. Fair, lest a busy
        // processor starve a system thread that wants to raise its IRQL here.
        unsafe { self.occupied.unlock_fair() };
    }

    pub(super) fn post(&self, level: Level, job: Job) {
        let mut queues = self.queues.lock();
        match level {
            Level::Dpc => queues.dpcs.push_back(job),
            Level::Thread => queues.threads.push_back(job),
        }
        self.tell();
    }

    pub(super) fn mark(&self, message: u16) {
        let mut queues = self.queues.lock();
        queues.messages.insert(message);
        self.tell();
    }

    pub(super) fn take_message(&self) -> Option<u16> {
        self.queues.lock().messages.pop_first()
    }

    pub(super) fn stop(&self) {
        let mut queues = self.queues.lock();
        queues.stopped = true;
        self.tell();
    }

    /// With the queues locked.
    fn tell(&self) {
        self.news.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Waits for something to do; `false` when the processor stops.
    fn wait(&self) -> bool {
        let mut queues = self.queues.lock();
        loop {
            if queues.stopped {
                return false;
            }
            if !(queues.messages.is_empty() && queues.dpcs.is_empty() && queues.threads.is_empty()) {
                return true;
            }
            self.news.store(false, Ordering::Release);
            let spun =
                MutexGuard::unlocked(&mut queues, || spin::until(|| self.news.load(Ordering::Acquire)));
            if !spun && !self.news.load(Ordering::Acquire) {
                self.wake.wait(&mut queues);
            }
        }
    }

    fn take_job(&self) -> Option<Job> {
        let mut queues = self.queues.lock();
        queues.dpcs.pop_front().or_else(|| queues.threads.pop_front())
    }
}

/// The processor's thread.
pub(super) fn run(shared: &Shared, index: usize) {
    let Some(processor) = shared.processors.get(index) else {
        return;
    };
    while processor.wait() {
        let old = shared.raise(Irql::DISPATCH);
        shared.deliver();
        if let Some(job) = processor.take_job() {
            job();
        }
        shared.lower(old);
    }
}
