//! The clock: timers fire as DPCs on the processor that asked for them.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use super::Shared;
use crate::engine::{Job, Level, TimerId};

#[derive(Default)]
struct Timers {
    pending: BTreeMap<(Instant, TimerId), (u32, Job)>,
    deadlines: BTreeMap<TimerId, Instant>,
    last: u64,
    stopped: bool,
}

#[derive(Default)]
pub(super) struct Clock {
    timers: Mutex<Timers>,
    wake: Condvar,
}

impl Clock {
    pub(super) fn add(&self, deadline: Instant, processor: u32, job: Job) -> TimerId {
        let mut timers = self.timers.lock();
        timers.last += 1;
        let id = TimerId(timers.last);
        timers.pending.insert((deadline, id), (processor, job));
        timers.deadlines.insert(id, deadline);
        self.wake.notify_one();
        id
    }

    pub(super) fn cancel(&self, id: TimerId) -> bool {
        let mut timers = self.timers.lock();
        let Some(deadline) = timers.deadlines.remove(&id) else {
            return false;
        };
        timers.pending.remove(&(deadline, id)).is_some()
    }

    pub(super) fn stop(&self) {
        self.timers.lock().stopped = true;
        self.wake.notify_one();
    }

    /// The next timer that is due; `None` when the clock stops.
    fn next(&self) -> Option<(u32, Job)> {
        let mut timers = self.timers.lock();
        loop {
            if timers.stopped {
                return None;
            }
            let wait = match timers.pending.first_key_value() {
                Some((&(deadline, id), _)) => {
                    let wait = deadline.saturating_duration_since(Instant::now());
                    if wait.is_zero() {
                        timers.deadlines.remove(&id);
                        return timers.pending.pop_first().map(|(_, due)| due);
                    }
                    wait
                }
                None => Duration::from_hours(1),
            };
            self.wake.wait_for(&mut timers, wait);
        }
    }
}

pub(super) fn run(shared: &Shared) {
    while let Some((processor, job)) = shared.clock.next() {
        if let Some(processor) = shared
            .processors
            .get(processor as usize % shared.processors.len())
        {
            processor.post(Level::Dpc, job);
        }
    }
}
