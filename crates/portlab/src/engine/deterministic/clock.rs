//! Virtual time, and the timers that wait for it.

use std::{collections::BTreeMap, time::Duration};

use crate::engine::{Job, TimerId};

/// What one scheduling step costs.
const TICK: Duration = Duration::from_nanos(200);

/// The clock of one life.
#[derive(Default)]
pub(super) struct Clock {
    now: Duration,
    pending: BTreeMap<(Duration, TimerId), (u32, Job)>,
    deadlines: BTreeMap<TimerId, Duration>,
    last: u64,
}

impl Clock {
    pub(super) const fn now(&self) -> Duration {
        self.now
    }

    /// One step is done.
    pub(super) fn tick(&mut self) {
        self.now += TICK;
    }

    /// Time passes until `then`; how much that is.
    pub(super) fn pass(&mut self, then: Duration) -> Duration {
        let passed = then.saturating_sub(self.now);
        self.now += passed;
        passed
    }

    pub(super) fn add(&mut self, delay: Duration, processor: u32, job: Job) -> TimerId {
        self.last += 1;
        let id = TimerId(self.last);
        let deadline = self.now.saturating_add(delay);
        self.pending.insert((deadline, id), (processor, job));
        self.deadlines.insert(id, deadline);
        id
    }

    /// Takes a timer back.
    pub(super) fn cancel(&mut self, id: TimerId) -> Option<Job> {
        let deadline = self.deadlines.remove(&id)?;
        self.pending.remove(&(deadline, id)).map(|(_, job)| job)
    }

    /// The next deadline.
    pub(super) fn next(&self) -> Option<Duration> {
        self.pending.first_key_value().map(|(&(deadline, _), _)| deadline)
    }

    /// A timer that is due.
    pub(super) fn due(&mut self) -> Option<(TimerId, u32, Job)> {
        if self.next()? > self.now {
            return None;
        }
        let ((_, id), (processor, job)) = self.pending.pop_first()?;
        self.deadlines.remove(&id);
        Some((id, processor, job))
    }

    /// Forgets all timers.
    pub(super) fn clear(&mut self) -> Vec<Job> {
        self.deadlines.clear();
        std::mem::take(&mut self.pending)
            .into_values()
            .map(|(_, job)| job)
            .collect()
    }
}
