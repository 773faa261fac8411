//! What an activity does when nothing holds it: a processor's own work, and a system worker thread's.

use std::io;

use super::{
    Shared,
    events::Event,
    fiber::Fiber,
    state::{Processor, Unit, Wait},
};
use crate::{
    engine::{Context, Irql},
    trap,
};

impl Shared {
    pub(super) fn add_unit(&self, processor: u32, body: impl FnOnce() + 'static) -> io::Result<()> {
        let context = Context::default();
        context.processor.set(processor);
        let index = self.state().units.len();
        let place = self.ground.as_ref().map(|ground| ground.stack(index));
        let unit = Unit {
            fiber: Some(Fiber::new(place, self.stack_fill, body)?),
            wait: Wait::Work,
            context,
            baggage: None,
            interrupted: None,
            points: 0,
            overdue: 0,
        };
        self.state().units.push(unit);
        Ok(())
    }

    /// A processor's own activity.
    pub(super) fn run_processor(&self) {
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
    pub(super) fn run_worker(&self) {
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
}
