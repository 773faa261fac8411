//! What the scheduler chooses from: activities, processors, devices, and the seed that chooses.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use fastrand::Rng;

use super::{
    clock::Clock,
    events::{Event, Events},
    fiber::Fiber,
};
use crate::{
    device::Movable,
    engine::{Baggage, Context, Irql, Job, Level},
};

/// What an activity waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Nothing: it was preempted.
    Nothing,
    /// Something to do.
    Work,
    /// The lock at this address.
    Lock(usize),
    /// Virtual time.
    Until(Duration),
    /// Somebody's [`wake`](crate::engine::Engine::wake), at most until then.
    Wake(Duration),
    /// Nothing that will ever come.
    Forever,
}

/// A processor's own activity, or a system worker thread.
pub(super) struct Unit {
    /// `None` while it runs, and when it has ended.
    pub(super) fiber: Option<Fiber>,
    pub(super) wait: Wait,
    /// Its context while it does not run.
    pub(super) context: Context,
    pub(super) baggage: Baggage,
}

#[derive(Default)]
pub(super) struct Processor {
    /// The activity at DISPATCH_LEVEL or above: nothing else runs here.
    pub(super) owner: Option<usize>,
    pub(super) messages: BTreeSet<u16>,
    pub(super) dpcs: VecDeque<Job>,
    pub(super) threads: VecDeque<Job>,
}

pub(super) struct DeviceSlot {
    pub(super) device: Arc<dyn Movable>,
    pub(super) next: Option<Duration>,
}

/// What can be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    Unit(usize),
    Device(usize),
}

pub(super) struct State {
    pub(super) clock: Clock,
    pub(super) random: Rng,
    /// One in so many scheduling points gives way.
    pub(super) preemption: u32,
    pub(super) units: Vec<Unit>,
    pub(super) processors: Vec<Processor>,
    pub(super) work: VecDeque<Job>,
    pub(super) devices: Vec<DeviceSlot>,
    /// The activity that runs; `None` outside.
    pub(super) current: Option<usize>,
    pub(super) events: Events,
    /// Steps since something was last finished.
    pub(super) idle_steps: u64,
    pub(super) stopped: bool,
}

impl State {
    pub(super) fn note(&mut self, event: Event) {
        let now = self.clock.now();
        self.events.add(now, event);
    }

    /// True once in `one_in` times.
    pub(super) fn chance(&mut self, one_in: u32) -> bool {
        one_in <= 1 || self.random.u32(0..one_in) == 0
    }

    pub(super) fn processor(&mut self, number: u32) -> Option<&mut Processor> {
        let count = self.processors.len();
        self.processors.get_mut(number as usize % count)
    }

    pub(super) fn post(&mut self, processor: u32, level: Level, job: Job) {
        if let Some(processor) = self.processor(processor) {
            match level {
                Level::Dpc => processor.dpcs.push_back(job),
                Level::Thread => processor.threads.push_back(job),
            }
        }
    }

    /// Timers whose time has come become DPCs.
    pub(super) fn fire_timers(&mut self) {
        while let Some((id, processor, job)) = self.clock.due() {
            self.note(Event::Timer(id.0));
            self.post(processor, Level::Dpc, job);
        }
    }

    fn can_run(&self, index: usize, unit: &Unit) -> bool {
        if unit.fiber.is_none() {
            return false;
        }
        let irql = unit.context.irql.get();
        let at = unit.context.processor.get() as usize;
        let Some(processor) = self.processors.get(at) else {
            return false;
        };
        if processor.owner.is_some_and(|owner| owner != index) {
            return false;
        }
        // Whoever is on the processor handles its interrupts, and its DPCs below DISPATCH_LEVEL.
        let interrupted = (irql < Irql::DEVICE && !processor.messages.is_empty())
            || (irql < Irql::DISPATCH && !processor.dpcs.is_empty());
        match unit.wait {
            Wait::Nothing => true,
            Wait::Work if index < self.processors.len() => interrupted || !processor.threads.is_empty(),
            Wait::Work => !self.work.is_empty(),
            Wait::Lock(_) => interrupted,
            Wait::Until(then) => interrupted || self.clock.now() >= then,
            // A thread that waits is on no processor.
            Wait::Wake(then) => self.clock.now() >= then,
            Wait::Forever => false,
        }
    }

    fn can_move(&self, slot: &DeviceSlot) -> bool {
        slot.next.is_some_and(|next| next <= self.clock.now()) || slot.device.wants_to_move()
    }

    /// Chooses what to do next; `None` if nothing can be done now.
    pub(super) fn choose(&mut self) -> Option<Choice> {
        let units = (0_usize..).zip(&self.units);
        let units = units.filter(|&(index, unit)| self.can_run(index, unit));
        let devices = (0_usize..).zip(&self.devices);
        let devices = devices.filter(|(_, slot)| self.can_move(slot));
        let choices: Vec<Choice> = units
            .map(|(index, _)| Choice::Unit(index))
            .chain(devices.map(|(index, _)| Choice::Device(index)))
            .collect();
        self.random.choice(choices)
    }

    /// When something happens by itself.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        let units = self.units.iter().filter_map(|unit| match unit.wait {
            Wait::Until(then) | Wait::Wake(then) if unit.fiber.is_some() && then < Duration::MAX => {
                Some(then)
            }
            _ => None,
        });
        let devices = self.devices.iter().filter_map(|slot| slot.next);
        units.chain(devices).chain(self.clock.next()).min()
    }

    /// Wakes whoever waits for what `selects`.
    pub(super) fn wake(&mut self, selects: impl Fn(Wait) -> bool) {
        for unit in self.units.iter_mut().filter(|unit| selects(unit.wait)) {
            unit.wait = Wait::Nothing;
        }
    }

    /// What everybody does, in words.
    pub(super) fn situation(&self) -> String {
        let units = (0_usize..).zip(&self.units).map(|(index, unit)| {
            let locks: Vec<String> = unit
                .context
                .held
                .borrow()
                .iter()
                .map(|held| held.lock.name().to_string())
                .collect();
            let holding = if locks.is_empty() {
                String::new()
            } else {
                format!(" holding {}", locks.join(", "))
            };
            format!(
                "activity {index} on processor {} at {}{holding}: {:?}",
                unit.context.processor.get(),
                unit.context.irql.get(),
                unit.wait,
            )
        });
        units.collect::<Vec<_>>().join("; ")
    }
}
