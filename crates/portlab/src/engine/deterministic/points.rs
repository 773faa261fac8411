//! Where an activity may give way: scheduling points, spin locks, stalls, waits.

use std::time::Duration;

use super::{OVERDUE, Shared, events::Event, fiber, state::Wait};
use crate::{
    engine::{Context, Irql, Job, LockName, SpinLock},
    memory,
    trap::{self, Point},
};

impl Shared {
    /// Something came to its end.
    pub(super) fn finished(&self) {
        self.state().finished();
    }

    /// The current activity gives way; returns when it is chosen again.
    pub(super) fn suspend(&self, wait: Wait) {
        {
            let mut state = self.state();
            let current = state.current;
            if let Some(unit) = current.and_then(|index| state.units.get_mut(index)) {
                unit.wait = wait;
            }
        }
        fiber::give_way();
    }

    /// Whether an activity of the machine runs, not the caller outside.
    pub(super) fn inside(&self) -> bool {
        self.state().current.is_some()
    }

    /// Handles what is pending on the current processor and may be handled now: DPCs surely, interrupts sooner or later
    /// unless `surely`.
    pub(super) fn serve(&self, surely: bool) {
        enum Pending {
            Message(u16),
            Dpc(Job),
        }
        let number = Context::processor();
        loop {
            let irql = Context::irql();
            let pending = {
                let mut state = self.state();
                if state.current.is_none() {
                    return;
                }
                let now = surely || state.chance(2);
                let messages: Vec<u16> = state
                    .processor(number)
                    .map(|processor| processor.messages.iter().copied().collect())
                    .unwrap_or_default();
                if irql < Irql::DEVICE
                    && now
                    && let Some(message) = state.random.choice(messages)
                {
                    if let Some(processor) = state.processor(number) {
                        processor.messages.remove(&message);
                    }
                    state.note(Event::Interrupt {
                        processor: number,
                        message,
                    });
                    Some(Pending::Message(message))
                } else if irql < Irql::DISPATCH
                    && let Some(job) = state
                        .processor(number)
                        .and_then(|processor| processor.dpcs.pop_front())
                {
                    state.note(Event::Dpc(number));
                    Some(Pending::Dpc(job))
                } else {
                    None
                }
            };
            match pending {
                None => return,
                Some(Pending::Message(message)) => {
                    let old = self.raise(Irql::DEVICE);
                    if let Some(handler) = self.on_interrupt.get() {
                        handler(message);
                    }
                    self.descend(old);
                }
                Some(Pending::Dpc(job)) => {
                    let old = self.raise(Irql::DISPATCH);
                    job();
                    self.finished();
                    self.descend(old);
                }
            }
            // Interrupts that never cease are a livelock too.
            self.count_step();
        }
    }

    /// A scheduling point.
    pub(super) fn point(&self) {
        if !self.inside() {
            return;
        }
        trap::watchdog::progress();
        self.serve(false);
        let (away, over) = {
            let mut state = self.state();
            let one_in = state.preemption;
            let over = state.count_point() > self.budget;
            (state.chance(one_in), over)
        };
        if over {
            self.give_up();
        }
        if away {
            self.suspend(Wait::Nothing);
            self.serve(false);
        } else {
            self.count_step();
        }
    }

    /// A scheduling point in the driver's own code; how many instructions it runs until the next one, 0 if it is not counted.
    pub(super) fn driver_point(&self, point: Point, address: u64) -> u32 {
        /// Of the sites, and of the points that steps lead to, one in so many begins to step.
        const AT_SITE: u32 = 8;
        const AGAIN: u32 = 2;
        if !self.inside() {
            return 0;
        }
        // Images outside of lanes lie apart by multiples of 4 GiB.
        self.state()
            .events
            .mix(&[memory::relative(address) & 0xffff_ffff]);
        match point {
            Point::Site => {
                self.point();
                self.state().steps(AT_SITE)
            }
            Point::Stepped => {
                // Seldom enough that each counts: whatever can come between does.
                self.note(Event::Stepped);
                self.serve(true);
                self.suspend(Wait::Nothing);
                self.serve(false);
                self.state().steps(AGAIN)
            }
            Point::Overdue => {
                self.overdue();
                0
            }
        }
    }

    /// The driver has come to no point for long.
    fn overdue(&self) {
        let over = {
            let mut state = self.state();
            state.note(Event::Overdue);
            state.count_overdue() > OVERDUE
        };
        if over {
            self.give_up();
        }
        self.serve(true);
        self.suspend(Wait::Nothing);
        self.serve(false);
    }

    fn note(&self, event: Event) {
        self.state().note(event);
    }

    /// Counts a step of an activity that goes on; one that never finishes anything stays behind here.
    pub(super) fn count_step(&self) {
        let over = {
            let mut state = self.state();
            state.clock.tick();
            state.idle_steps += 1;
            state.idle_steps > self.budget
        };
        if over {
            self.give_up();
        }
    }

    /// The current activity never ends what it is at: it is told, and stays where it is.
    fn give_up(&self) {
        self.tell_livelock();
        loop {
            self.suspend(Wait::Forever);
        }
    }

    pub(super) fn stall(&self, duration: Duration) {
        let end = self.now().saturating_add(duration);
        if !self.inside() {
            self.run_until(end, &mut || false);
            return;
        }
        loop {
            self.serve(false);
            if self.now() >= end {
                return;
            }
            self.suspend(Wait::Until(end));
        }
    }

    pub(super) fn wait(&self, timeout: Duration, ready: &mut dyn FnMut() -> bool) -> bool {
        let end = self.now().saturating_add(timeout);
        if !self.inside() {
            return self.run_until(end, ready);
        }
        loop {
            if ready() {
                return true;
            }
            if self.now() >= end {
                return false;
            }
            self.suspend(Wait::Wake(end));
        }
    }

    pub(super) fn acquire(&self, lock: &SpinLock) {
        self.point();
        while !lock.try_lock() {
            if self.inside() {
                let name = match lock.name() {
                    LockName::Dpc(address) => LockName::Dpc(memory::relative(address)),
                    name => name,
                };
                self.note(Event::Contended(name));
                self.suspend(Wait::Lock(std::ptr::from_ref(lock).addr()));
                self.serve(false);
            } else if !self.run_until(Duration::MAX, &mut || !lock.is_locked()) {
                return;
            }
        }
    }

    pub(super) fn release(&self, lock: &SpinLock) {
        lock.unlock();
        let address = std::ptr::from_ref(lock).addr();
        self.state().wake(|wait| wait == Wait::Lock(address));
    }
}
