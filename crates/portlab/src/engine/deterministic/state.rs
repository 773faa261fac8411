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
    trap::Registers,
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
    /// The driver's registers at the point that it is at.
    pub(super) interrupted: Option<Registers>,
    /// Scheduling points since it last finished something or waited.
    pub(super) points: u64,
    /// How often it was long in coming to one.
    pub(super) overdue: u32,
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
    /// Instructions that may still be run one by one in this life.
    pub(super) steps_left: u32,
    /// Answers to the driver's questions for random numbers; another stream than the choices'.
    pub(super) numbers: Rng,
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

    /// How many instructions the driver runs one by one until the next point, once in `one_in` times; else 0.
    pub(super) fn steps(&mut self, one_in: u32) -> u32 {
        /// At most two to the power of this: as many distances of few instructions as of many.
        const FARTHEST: u32 = 9;
        if self.steps_left == 0 || !self.chance(one_in) {
            return 0;
        }
        let power = self.random.u32(0..=FARTHEST);
        let steps = self.random.u32(1..=1 << power).min(self.steps_left);
        self.steps_left -= steps;
        steps
    }

    /// Counts a point of the current activity; how many there were since it finished something.
    pub(super) fn count_point(&mut self) -> u64 {
        self.current_unit().map_or(0, |unit| {
            unit.points += 1;
            unit.points
        })
    }

    /// Counts a long time without a point.
    pub(super) fn count_overdue(&mut self) -> u32 {
        self.current_unit().map_or(0, |unit| {
            unit.overdue += 1;
            unit.overdue
        })
    }

    /// The current activity has finished something.
    pub(super) fn finished(&mut self) {
        self.idle_steps = 0;
        if let Some(unit) = self.current_unit() {
            unit.points = 0;
            unit.overdue = 0;
        }
    }

    fn current_unit(&mut self) -> Option<&mut Unit> {
        let current = self.current?;
        self.units.get_mut(current)
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
            let (place, does) = if self.current == Some(index) {
                (Context::with(place), "runs".to_owned())
            } else {
                (place(&unit.context), format!("{:?}", unit.wait))
            };
            format!("activity {index} {place}: {does}")
        });
        units.collect::<Vec<_>>().join("; ")
    }
}

/// Where an activity is, in words.
fn place(context: &Context) -> String {
    let held = context.held.borrow();
    let locks: Vec<String> = held.iter().map(|held| held.lock.name().to_string()).collect();
    let holding = if locks.is_empty() {
        String::new()
    } else {
        format!(" holding {}", locks.join(", "))
    };
    format!(
        "on processor {} at {}{holding}",
        context.processor.get(),
        context.irql.get()
    )
}
