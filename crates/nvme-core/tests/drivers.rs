//! The three drivers of the stepped machine lead to the same end by the same commands: stepping by hand ([`Bench`]),
//! bounded stalls, and DPC plus timer.

mod simulator;

use std::cell::{Cell, RefCell};
use std::time::Duration;

use nvme::{Register, Status, StatusCode, SubmissionEntry, admin_opcode};
use nvme_core::control::{
    Control, ControlConfig, Event, Failure, Hardware, Outcome, Progress, QueuePair, Request, Tables,
};
use nvme_core::namespace::NamespaceTable;
use nvme_core::{DmaStopped, Epoch, Instant, Micros};
use simulator::{Bench, Controller, Lies, Namespace, failed};
use storport::cell::Exclusive;
use storport::stepped::{self, Alarm, DriveError, Stall, Stepped, Who};
use storport::zerocopy::FromZeros;

/// How long a command takes.
const LATENCY: Micros = Micros(120);
const BUDGET: Micros = Micros::from_secs(20);

/// A command in the controller: when it is done, and what it answers.
struct Pending {
    at: Instant,
    tag: u32,
    status: Status,
    result: u32,
    data: Option<Box<[u8; 4096]>>,
}

/// The environment of a callback, and the clock.
struct World {
    controller: RefCell<Controller>,
    pairs: Vec<QueuePair>,
    pending: RefCell<Option<Pending>>,
    now: Cell<Instant>,
    reclaimed: Cell<usize>,
    visit_soon: Cell<bool>,
    alarm: Cell<Option<Instant>>,
    ended: Cell<Option<Result<Outcome, Failure>>>,
}

/// What the adapter keeps.
#[derive(FromZeros)]
struct Path {
    control: Control,
    namespaces: NamespaceTable,
    busy: bool,
    due: Instant,
}

struct Performer<'a>(&'a World);

impl Hardware for Performer<'_> {
    fn now(&self) -> Instant {
        self.0.now.get()
    }
    fn read(&mut self, register: Register) -> u64 {
        self.0.controller.borrow_mut().read(register, self.now())
    }
    fn write(&mut self, register: Register, value: u64) {
        self.0.controller.borrow_mut().write(register, value, self.now());
    }
    fn reclaim(&mut self, _: DmaStopped) {
        self.0.reclaimed.set(self.0.reclaimed.get() + 1);
    }
    fn prepare_admin_queue(&mut self, entries: u16, _: Epoch) -> bool {
        assert_eq!(entries, 32);
        *self.0.pending.borrow_mut() = None;
        true
    }
    fn prepare_queue_pair(&mut self, _: u16, _: u16, _: Epoch) {}
    fn submit(&mut self, tag: u32, entry: SubmissionEntry, transfers: bool) {
        let answer = self.0.controller.borrow_mut().execute(entry);
        *self.0.pending.borrow_mut() = answer.map(|(status, result, data)| Pending {
            at: self.now().after(LATENCY),
            tag,
            status,
            result,
            data: transfers.then_some(data),
        });
    }
}

impl Path {
    fn advance(&mut self, world: &World, event: Event<'_>) -> stepped::Progress<Outcome, Failure> {
        let mut tables = Tables {
            queue_pairs: &world.pairs,
            namespaces: &mut self.namespaces,
        };
        match self.control.advance(event, &mut tables, &mut Performer(world)) {
            Progress::Waiting { until } => {
                self.due = until.unwrap_or(self.due);
                stepped::Progress::Waiting
            }
            Progress::Done(outcome) => {
                self.busy = false;
                stepped::Progress::Done(outcome)
            }
            Progress::Failed(failure) => {
                self.busy = false;
                stepped::Progress::Failed(failure)
            }
        }
    }
}

impl Stepped<World> for Path {
    type Request = Request;
    type Outcome = Outcome;
    type Failure = Failure;

    fn begin(
        &mut self,
        world: &World,
        request: Request,
        budget: Duration,
        _: Who,
    ) -> stepped::Progress<Outcome, Failure> {
        self.busy = true;
        let budget = Micros(u64::try_from(budget.as_micros()).unwrap());
        self.advance(world, Event::Begin { request, budget })
    }

    fn look(&mut self, world: &World, _: Who) -> stepped::Progress<Outcome, Failure> {
        let arrived = world
            .pending
            .borrow_mut()
            .take_if(|pending| pending.at <= world.now.get());
        if let Some(pending) = arrived {
            return self.advance(
                world,
                Event::Completion {
                    tag: pending.tag,
                    status: pending.status,
                    result: pending.result,
                    data: pending.data.as_deref(),
                },
            );
        }
        if self.busy && self.due <= world.now.get() {
            return self.advance(world, Event::Tick);
        }
        stepped::Progress::Waiting
    }

    fn conclude(&mut self, world: &World, progress: stepped::Progress<Outcome, Failure>) {
        if !progress.is_waiting() {
            world.alarm.set(None);
        }
        match progress {
            stepped::Progress::Waiting => {}
            stepped::Progress::Done(outcome) => world.ended.set(Some(Ok(outcome))),
            stepped::Progress::Failed(failure) => world.ended.set(Some(Err(failure))),
        }
    }

    fn due(&self) -> Option<Duration> {
        self.busy.then(|| Duration::from_micros(self.due.0))
    }

    fn abandon(&mut self) {
        self.busy = false;
    }
}

impl Stall for World {
    fn now(&self) -> Duration {
        Duration::from_micros(self.now.get().0)
    }
    fn stall(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap();
        self.now.set(self.now.get().after(Micros(micros)));
    }
    fn visit_soon(&self) {
        self.visit_soon.set(true);
    }
}

impl Alarm for World {
    fn visit_after(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap();
        let at = self.now.get().after(Micros(micros));
        // A timer that is set already comes earlier.
        self.alarm
            .set(Some(self.alarm.get().map_or(at, |set| set.min(at))));
    }
}

impl World {
    fn new(controller: Controller, pairs: Vec<QueuePair>) -> Self {
        Self {
            controller: RefCell::new(controller),
            pairs,
            pending: RefCell::new(None),
            now: Cell::new(Instant(1000)),
            reclaimed: Cell::new(0),
            visit_soon: Cell::new(false),
            alarm: Cell::new(None),
            ended: Cell::new(None),
        }
    }

    /// The next interrupt or timer: virtual time goes to whichever is first. False if none will ever come.
    fn wait_for_interrupt(&self) -> bool {
        let completion = self.pending.borrow().as_ref().map(|pending| pending.at);
        let next = [completion, self.alarm.get()].into_iter().flatten().min();
        let Some(next) = next else { return false };
        if self.alarm.get() == Some(next) {
            self.alarm.set(None);
        }
        self.now.set(self.now.get().max(next));
        true
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Driver {
    ByHand,
    Stalls,
    DpcAndTimer,
}

/// What a controller was made to do, and how each request ended.
#[derive(Debug, PartialEq)]
struct Story {
    ends: Vec<Result<Outcome, Failure>>,
    commands: Vec<SubmissionEntry>,
    admin: [u64; 3],
    created: Vec<(u8, u16, u64)>,
    reclaimed: usize,
    namespaces: Vec<u32>,
}

fn tell(driver: Driver, requests: &[(Request, Micros)], lies: &Lies) -> Story {
    let mut bench = Bench::new();
    bench.controller.lies = lies.clone();
    bench.controller.namespaces.insert(7, Namespace::new(99));
    if driver == Driver::ByHand {
        let ends = requests
            .iter()
            .map(|&(request, budget)| bench.run(request, budget))
            .collect();
        return Story {
            ends,
            admin: bench.controller.admin,
            reclaimed: bench.reclaimed.len(),
            namespaces: bench
                .namespaces
                .online()
                .map(|(_, namespace)| namespace.id.0)
                .collect(),
            commands: bench.controller.commands,
            created: bench.controller.created,
        };
    }
    let world = World::new(bench.controller, bench.pairs);
    let cell: Exclusive<Path> = Exclusive::new_zeroed();
    cell.try_enter()
        .unwrap()
        .control
        .configure(ControlConfig {
            admin_submission_queue: 0x1_0000,
            admin_completion_queue: 0x2_0000,
            data_page: 0x3_0000,
            shadow_doorbells: 0x4_0000,
            event_indices: 0x5_0000,
            register_bytes: 0x4000,
            admin_entries: 32,
        })
        .unwrap();
    let ends = requests
        .iter()
        .map(|&(request, Micros(budget))| {
            drive(driver, &world, &cell, request, Duration::from_micros(budget))
        })
        .collect();
    let controller = world.controller.into_inner();
    let path = cell.try_enter().unwrap();
    Story {
        ends,
        admin: controller.admin,
        reclaimed: world.reclaimed.get(),
        namespaces: path
            .namespaces
            .online()
            .map(|(_, namespace)| namespace.id.0)
            .collect(),
        commands: controller.commands,
        created: controller.created,
    }
}

fn drive(
    driver: Driver,
    world: &World,
    cell: &Exclusive<Path>,
    request: Request,
    budget: Duration,
) -> Result<Outcome, Failure> {
    if driver == Driver::Stalls {
        return stepped::run(world, cell, world, request, budget).map_err(|error| match error {
            DriveError::Failed(failure) => failure,
            other => panic!("{other:?}"),
        });
    }
    world.ended.set(None);
    stepped::start(world, cell, world, request, budget).unwrap();
    loop {
        if let Some(end) = world.ended.take() {
            return end;
        }
        assert!(world.wait_for_interrupt(), "nothing would ever wake the machine");
        stepped::visit(world, cell, world, Who::Interrupt, |_| None);
    }
}

fn same_by_all_drivers(requests: &[(Request, Micros)], lies: &Lies) -> Vec<Result<Outcome, Failure>> {
    let by_hand = tell(Driver::ByHand, requests, lies);
    for driver in [Driver::Stalls, Driver::DpcAndTimer] {
        assert_eq!(tell(driver, requests, lies), by_hand, "{driver:?}");
    }
    by_hand.ends
}

const LIFE: [(Request, Micros); 7] = [
    (Request::Identify, BUDGET),
    (Request::Queues { pairs: 3 }, BUDGET),
    (
        Request::Rescan {
            read_changed_list: true,
        },
        BUDGET,
    ),
    (Request::Stop, Micros::from_millis(350)),
    (Request::Restart { pairs: 2 }, BUDGET),
    (Request::Shutdown { delete_queues: true }, BUDGET),
    (Request::Stop, Micros::from_millis(350)),
];

#[test]
fn a_whole_life_is_the_same_by_each_driver() {
    let ends = same_by_all_drivers(&LIFE, &Lies::default());
    assert!(ends.iter().all(Result::is_ok), "{ends:?}");
    assert!(matches!(ends[4], Ok(Outcome::Ready { pairs: 2, .. })));
}

#[test]
fn so_is_every_way_to_fail() {
    let lies = [
        Lies {
            never_ready: true,
            ..Lies::default()
        },
        Lies {
            never_stops: true,
            ..Lies::default()
        },
        Lies {
            fatal_when_enabled: true,
            ..Lies::default()
        },
        Lies {
            never_shut_down: true,
            ..Lies::default()
        },
        Lies {
            garbage: Some(0xFF),
            ..Lies::default()
        },
        Lies {
            silent: [admin_opcode::CREATE_SUBMISSION_QUEUE].into(),
            ..Lies::default()
        },
        Lies {
            failing: [(admin_opcode::IDENTIFY, failed(StatusCode::INTERNAL_ERROR))].into(),
            ..Lies::default()
        },
    ];
    for lie in lies {
        let ends = same_by_all_drivers(&LIFE, &lie);
        assert!(ends.iter().any(Result::is_err), "{ends:?}");
    }
}

/// A device that leaves the bus at any register access.
#[test]
fn so_is_a_device_that_goes_away() {
    for gone_after in 0..24 {
        let lie = Lies {
            gone_after: Some(gone_after),
            ..Lies::default()
        };
        let request = [
            (Request::Restart { pairs: 2 }, Micros::from_secs(2)),
            (Request::Stop, Micros::from_millis(350)),
        ];
        let ends: Vec<_> = [Driver::Stalls, Driver::DpcAndTimer]
            .map(|driver| tell(driver, &request, &lie).ends)
            .into();
        for end in ends {
            assert_eq!(end[1], Err(Failure::Gone), "after {gone_after} accesses");
        }
    }
}
