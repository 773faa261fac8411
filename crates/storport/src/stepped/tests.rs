//! The drivers over a machine that counts, on virtual time and on threads.

use std::{
    cell::{Cell, RefCell},
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    vec::Vec,
};

use zerocopy::FromZeros;

use super::*;

const DONE_AFTER: Duration = Duration::from_millis(3);
const BUDGET: Duration = Duration::from_millis(20);

/// Waits for a time, or for as many events as it was asked for.
#[derive(FromZeros, Default)]
struct Machine {
    busy: bool,
    /// When it is done by itself; 0: only by events.
    due_micros: u64,
    fails_micros: u64,
    wanted: u32,
    seen: u32,
    concluded: u32,
}

#[derive(Clone, Copy)]
enum Ask {
    Wait(Duration),
    Count(u32),
    Nothing,
}

struct World<'a> {
    now: &'a dyn Fn() -> Duration,
    events: &'a AtomicU32,
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap()
}

impl Machine {
    fn finish(&mut self, world: &World<'_>) -> Progress<u32, &'static str> {
        self.seen += world.events.swap(0, Ordering::AcqRel);
        if !self.busy {
            return Progress::Waiting;
        }
        let now = micros((world.now)());
        let timed = self.due_micros != 0 && now >= self.due_micros;
        let counted = self.wanted != 0 && self.seen >= self.wanted;
        if timed || counted {
            self.busy = false;
            Progress::Done(self.seen)
        } else if now >= self.fails_micros {
            self.busy = false;
            Progress::Failed("late")
        } else {
            Progress::Waiting
        }
    }
}

impl Stepped<World<'_>> for Machine {
    type Request = Ask;
    type Outcome = u32;
    type Failure = &'static str;

    fn begin(
        &mut self,
        world: &World<'_>,
        ask: Ask,
        budget: Duration,
        _: Who,
    ) -> Progress<u32, &'static str> {
        self.busy = true;
        self.fails_micros = micros((world.now)() + budget);
        (self.due_micros, self.wanted) = match ask {
            Ask::Wait(time) => (micros((world.now)() + time), 0),
            Ask::Count(events) => (0, events),
            Ask::Nothing => (1, 0),
        };
        self.finish(world)
    }

    fn look(&mut self, world: &World<'_>, _: Who) -> Progress<u32, &'static str> {
        self.finish(world)
    }

    fn conclude(&mut self, _: &World<'_>, progress: Progress<u32, &'static str>) {
        self.concluded += u32::from(!progress.is_waiting());
    }

    fn due(&self) -> Option<Duration> {
        let next = if self.due_micros == 0 {
            self.fails_micros
        } else {
            self.due_micros.min(self.fails_micros)
        };
        self.busy.then(|| Duration::from_micros(next))
    }

    fn abandon(&mut self) {
        self.busy = false;
    }
}

/// Virtual time, and what was asked of it.
#[derive(Default)]
struct Virtual {
    now: Cell<Duration>,
    stands_still: bool,
    stalls: Cell<u64>,
    soon: Cell<u32>,
    alarms: RefCell<Vec<Duration>>,
}

impl Stall for Virtual {
    fn now(&self) -> Duration {
        self.now.get()
    }

    fn stall(&self, time: Duration) {
        assert!(time < Duration::from_millis(1));
        self.stalls.set(self.stalls.get() + 1);
        if !self.stands_still {
            self.now.set(self.now.get() + time);
        }
    }

    fn visit_soon(&self) {
        self.soon.set(self.soon.get() + 1);
    }
}

impl Alarm for Virtual {
    fn visit_after(&self, time: Duration) {
        self.alarms.borrow_mut().push(time);
    }
}

fn machine() -> Exclusive<Machine> {
    Exclusive::new_zeroed()
}

#[test]
fn stalls_run_a_request_to_its_end() {
    let (port, cell, events) = (Virtual::default(), machine(), AtomicU32::new(0));
    let now = || port.now();
    let world = World {
        now: &now,
        events: &events,
    };
    assert_eq!(run(&port, &cell, &world, Ask::Wait(DONE_AFTER), BUDGET), Ok(0));
    assert!(port.now() >= DONE_AFTER && port.now() < DONE_AFTER + 2 * POLL);
    assert_eq!(
        run(&port, &cell, &world, Ask::Wait(BUDGET * 2), BUDGET),
        Err(DriveError::Failed("late"))
    );
    assert_eq!(cell.try_enter().unwrap().concluded, 2);
    assert_eq!(port.soon.get(), 0, "nobody was refused");
}

#[test]
fn a_clock_that_stands_still_ends_it() {
    let port = Virtual {
        stands_still: true,
        ..Virtual::default()
    };
    let (cell, events) = (machine(), AtomicU32::new(0));
    let now = || port.now();
    let world = World {
        now: &now,
        events: &events,
    };
    let result = run(&port, &cell, &world, Ask::Wait(DONE_AFTER), BUDGET);
    assert_eq!(result, Err(DriveError::ClockStopped));
    assert_eq!(port.stalls.get(), 1600, "four times the looks of the budget");
    assert!(cell.try_enter().unwrap().due().is_none(), "it was abandoned");
    assert_eq!(
        run(&port, &cell, &world, Ask::Wait(DONE_AFTER), 2 * POLL),
        Err(DriveError::ClockStopped)
    );
    assert_eq!(port.stalls.get(), 1600 + LEAST_LOOKS);
}

#[test]
fn a_machine_that_is_held_is_waited_for_only_so_long() {
    let (port, cell, events) = (Virtual::default(), machine(), AtomicU32::new(0));
    let now = || port.now();
    let world = World {
        now: &now,
        events: &events,
    };
    let held = cell.try_enter();
    assert_eq!(
        run(&port, &cell, &world, Ask::Nothing, BUDGET),
        Err(DriveError::Held)
    );
    assert_eq!(
        start(&port, &cell, &world, Ask::Nothing, BUDGET),
        Err(DriveError::Held)
    );
    drop(held);
    assert_eq!(port.now(), 2 * POLL * MAX_TRIES);
}

/// A DPC that comes while the machine is stepped by stalls is not lost.
#[test]
fn who_is_refused_is_served_by_the_dpc() {
    struct Interrupted<'a> {
        port: Virtual,
        cell: &'a Exclusive<Machine>,
        events: &'a AtomicU32,
    }
    impl Stall for Interrupted<'_> {
        fn now(&self) -> Duration {
            self.port.now()
        }
        fn stall(&self, time: Duration) {
            self.port.stall(time);
            if self.port.stalls.get() == 5 {
                let now = || self.port.now();
                let world = World {
                    now: &now,
                    events: self.events,
                };
                visit(&self.port, self.cell, &world, Who::Interrupt, |_| {
                    panic!("it is held")
                });
            }
        }
        fn visit_soon(&self) {
            self.port.visit_soon();
        }
    }
    let (cell, events) = (machine(), AtomicU32::new(0));
    let port = Interrupted {
        port: Virtual::default(),
        cell: &cell,
        events: &events,
    };
    let now = || port.now();
    let world = World {
        now: &now,
        events: &events,
    };
    assert_eq!(run(&port, &cell, &world, Ask::Wait(DONE_AFTER), BUDGET), Ok(0));
    assert_eq!(port.port.soon.get(), 1);
    visit(&port.port, &cell, &world, Who::Interrupt, |_| None);
    assert!(!cell.has_note());
}

#[test]
fn dpc_and_timer_bring_a_request_to_its_end() {
    let (port, cell, events) = (Virtual::default(), machine(), AtomicU32::new(0));
    let now = || port.now();
    let world = World {
        now: &now,
        events: &events,
    };
    start(&port, &cell, &world, Ask::Wait(3 * LATEST), 10 * LATEST).unwrap();
    let mut visits = 0;
    while let Some(after) = port.alarms.take().pop() {
        assert!((SOONEST..=LATEST).contains(&after));
        port.now.set(port.now() + after);
        visits += 1;
        visit(&port, &cell, &world, Who::Interrupt, |_| None);
    }
    assert_eq!((visits, port.stalls.get()), (3, 0));
    assert_eq!(cell.try_enter().unwrap().concluded, 1);
}

#[test]
fn the_next_request_begins_only_when_nothing_is_under_way() {
    let (port, cell, events) = (Virtual::default(), machine(), AtomicU32::new(0));
    let now = || port.now();
    let world = World {
        now: &now,
        events: &events,
    };
    start(&port, &cell, &world, Ask::Count(2), BUDGET).unwrap();
    visit(&port, &cell, &world, Who::Interrupt, |_| {
        panic!("one is under way")
    });
    events.store(2, Ordering::Release);
    visit(&port, &cell, &world, Who::Worker, |_| {
        Some((Ask::Nothing, BUDGET))
    });
    let machine = cell.try_enter().unwrap();
    assert_eq!((machine.concluded, machine.seen), (1, 2));
    drop(machine);
    port.now.set(Duration::from_micros(1));
    visit(&port, &cell, &world, Who::Interrupt, |_| None);
    assert_eq!(cell.try_enter().unwrap().concluded, 2);
}

/// Processors post events and visit; whoever holds the machine sees every one.
#[test]
fn no_event_is_lost_between_processors() {
    struct Soon<'a>(&'a AtomicU32);
    impl Stall for Soon<'_> {
        fn now(&self) -> Duration {
            Duration::ZERO
        }
        fn stall(&self, _: Duration) {
            std::thread::yield_now();
        }
        fn visit_soon(&self) {
            self.0.fetch_add(1, Ordering::AcqRel);
        }
    }
    impl Alarm for Soon<'_> {
        fn visit_after(&self, _: Duration) {}
    }
    const EVENTS: u32 = 4000;
    let (cell, events, soon) = (machine(), AtomicU32::new(0), AtomicU32::new(0));
    let failures = Mutex::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let port = Soon(&soon);
                let now = || Duration::ZERO;
                let world = World {
                    now: &now,
                    events: &events,
                };
                for round in 0..EVENTS {
                    events.fetch_add(1, Ordering::AcqRel);
                    visit(&port, &cell, &world, Who::Interrupt, |_| None);
                    if round % 64 == 0 && run(&port, &cell, &world, Ask::Count(1), BUDGET).is_err() {
                        *failures.lock().unwrap() += 1;
                    }
                    if soon.swap(0, Ordering::AcqRel) != 0 {
                        visit(&port, &cell, &world, Who::Interrupt, |_| None);
                    }
                }
            });
        }
    });
    let port = Soon(&soon);
    let now = || Duration::ZERO;
    let world = World {
        now: &now,
        events: &events,
    };
    if soon.swap(0, Ordering::AcqRel) != 0 {
        visit(&port, &cell, &world, Who::Interrupt, |_| None);
    }
    assert_eq!(cell.try_enter().unwrap().seen, 3 * EVENTS);
    assert_eq!(*failures.lock().unwrap(), 0, "every request ended");
}
