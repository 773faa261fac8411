//! System worker threads: PASSIVE_LEVEL work.

use std::collections::VecDeque;

use parking_lot::{Condvar, Mutex};

use crate::engine::Job;

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    stopped: bool,
}

#[derive(Default)]
pub(super) struct Workers {
    queue: Mutex<Queue>,
    wake: Condvar,
}

impl Workers {
    pub(super) fn post(&self, job: Job) {
        self.queue.lock().jobs.push_back(job);
        self.wake.notify_one();
    }

    pub(super) fn stop(&self) {
        self.queue.lock().stopped = true;
        self.wake.notify_all();
    }

    pub(super) fn run(&self) {
        loop {
            let job = {
                let mut queue = self.queue.lock();
                loop {
                    if queue.stopped {
                        return;
                    }
                    if let Some(job) = queue.jobs.pop_front() {
                        break job;
                    }
                    self.wake.wait(&mut queue);
                }
            };
            job();
        }
    }
}
