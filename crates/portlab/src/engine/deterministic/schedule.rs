//! Running the machine: who goes on, when time passes, when it never ends.

use std::{sync::Arc, thread, time::Duration};

use super::{
    RESTLESS, Shared,
    events::Event,
    fiber::Fiber,
    state::{Choice, State},
};
use crate::{engine::Context, trap};

impl Shared {
    /// Runs the machine, for the caller outside, until `ready` or the time `end`.
    pub(super) fn run_until(&self, end: Duration, ready: &mut dyn FnMut() -> bool) -> bool {
        assert_eq!(
            thread::current().id(),
            self.thread,
            "the deterministic engine runs on the host thread that made it"
        );
        self.finished();
        let mut steps = 0;
        loop {
            if ready() {
                return true;
            }
            let choice = {
                let mut state = self.state();
                if state.stopped || self.livelock.get().is_some() || state.clock.now() >= end {
                    return false;
                }
                state.clock.tick();
                state.fire_timers();
                state.idle_steps += 1;
                steps += 1;
                if state.idle_steps > self.budget || steps > RESTLESS * self.budget {
                    drop(state);
                    self.tell_livelock();
                    return false;
                }
                let choice = state.choose();
                if choice.is_none() {
                    let then = state.next_deadline().unwrap_or(Duration::MAX).min(end);
                    if then == Duration::MAX {
                        // Nothing will ever happen again.
                        return false;
                    }
                    let passed = state.clock.pass(then);
                    state.note(Event::Passes(passed));
                }
                choice
            };
            match choice {
                Some(Choice::Unit(index)) => self.run_unit(index),
                Some(Choice::Device(index)) => self.move_device(index),
                None => {}
            }
        }
    }

    pub(super) fn run_unit(&self, index: usize) {
        let fiber = {
            let mut state = self.state();
            state.note(Event::Run(index));
            state.current = Some(index);
            self.exchange(&mut state, index)
        };
        let Some(mut fiber) = fiber else {
            return;
        };
        let goes_on = fiber.resume();
        let mut state = self.state();
        self.exchange(&mut state, index);
        state.current = None;
        if let Some(unit) = state.units.get_mut(index) {
            unit.fiber = goes_on.then_some(fiber);
        }
    }

    /// Exchanges the thread's context with an activity's, both ways; the activity's fiber.
    fn exchange(&self, state: &mut State, index: usize) -> Option<Fiber> {
        let unit = state.units.get_mut(index)?;
        Context::exchange(&unit.context);
        (self.exchange)(&mut unit.baggage);
        unit.interrupted = trap::set_interrupted(unit.interrupted);
        trap::set_current_processor(Context::processor());
        unit.fiber.take()
    }

    fn move_device(&self, index: usize) {
        let device = {
            let mut state = self.state();
            state.note(Event::Device(index));
            let slot = state.devices.get(index);
            slot.map(|slot| (Arc::clone(&slot.device), state.clock.now()))
        };
        // Without the state's lock: it raises interrupts.
        if let Some((device, now)) = device {
            let next = device.advance(now);
            if let Some(slot) = self.state().devices.get_mut(index) {
                slot.next = next;
            }
        }
    }

    /// Writes down what everybody is doing, once, and tells whoever wants to know.
    pub(super) fn tell_livelock(&self) {
        let text = self.state().situation();
        if self.livelock.set(text).is_ok()
            && let Some(handler) = self.on_livelock.get()
            && let Some(text) = self.livelock.get()
        {
            handler(text);
        }
    }
}
