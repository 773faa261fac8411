//! The state of the control path, and what each step of it means for the adapter.

use core::{sync::atomic::Ordering, time::Duration};

use nvme::log::LogPageId;
use nvme_core::{
    DmaStopped, Instant, Micros,
    control::{
        Control, ControlConfig, ControllerInfo, DATA_SIZE, Event, Failure, Outcome, Progress, QueuePair,
        Request, Tables,
    },
    namespace::NamespaceTable,
};
use storport::{
    Context,
    context::{Exclusion, Irql},
    register::Registers,
    stepped::{self, POLL, Stepped, Who},
};
use zerocopy::FromZeros;

use super::hardware::{Hardware, Performer, Rings, now};
use crate::{
    FerroNvme,
    adapter::{Adapter, State},
    admin::{self, Completed},
    events, exchange, io,
    memory::{ADMIN_ENTRIES, IO_ENTRIES, MAX_QUEUES, Memory},
    trace,
};

/// How long the work item may take to do its step, before it is asked for again.
const WORKER_PATIENCE: Micros = Micros::from_millis(10);

/// The machine, its memory, and how it is driven at present. All zeroes: idle and not configured.
#[derive(FromZeros)]
pub(crate) struct Path {
    machine: Control,
    pub(super) namespaces: NamespaceTable,
    pairs: [QueuePair; MAX_QUEUES],
    pub(super) rings: Rings,
    /// A request is under way.
    busy: bool,
    /// The work item steps: others only hand it the completion.
    worker_drives: bool,
    /// Events are not asked for, because one failed.
    events_stopped: bool,
    /// When to step again without a completion.
    due: Instant,
    /// What an admin command's data page held when its completion was seen.
    data: [u8; DATA_SIZE],
}

/// One callback that steps.
pub(super) struct Callback<'a, 'dev, I: Irql, X: Exclusion> {
    pub(super) cx: &'a Context<'dev, FerroNvme, I, X>,
    pub(super) adapter: &'dev Adapter<'dev>,
    pub(super) hardware: Hardware<'dev>,
}

impl<I: Irql, X: Exclusion> Callback<'_, '_, I, X> {
    /// The adapter was stopped, and this callback is not what stops it: the port driver may have released the registers.
    ///
    /// Asked by who holds the path. An adapter is stopped before whoever stops it takes the path, so that nobody who takes it
    /// later misses that.
    fn is_shut_out(&self) -> bool {
        self.adapter.state() == State::Stopped && !self.hardware.stops()
    }
}

impl Path {
    /// Tells the machine of its memory, the `life`-th.
    pub(crate) fn configure(&mut self, registers: Registers<'_>, memory: &Memory<'_>, life: u32) -> bool {
        self.rings.admin.salt(life);
        for (index, pair) in self.pairs.iter_mut().enumerate() {
            let Some(memory) = memory.pair(index) else {
                break;
            };
            *pair = QueuePair {
                submission_queue: memory.submission.bus_address(),
                completion_queue: memory.completion.bus_address(),
                entries: IO_ENTRIES,
                interrupt_vector: 0,
            };
        }
        let config = ControlConfig {
            admin_submission_queue: memory.admin_submission.bus_address(),
            admin_completion_queue: memory.admin_completion.bus_address(),
            data_page: memory.admin_data.bus_address(),
            shadow_doorbells: memory.shadow.doorbells.bus_address(),
            event_indices: memory.shadow.event_indices.bus_address(),
            register_bytes: u64::from(registers.length()),
            admin_entries: ADMIN_ENTRIES,
        };
        self.machine.configure(config).is_ok()
    }

    /// Each of the I/O queue pairs of `channels` has a message of its own, that of its queue identifier. All others have
    /// message 0.
    pub(crate) fn set_own_vectors(&mut self, channels: u16) {
        for (index, pair) in self.pairs.iter_mut().enumerate().take(usize::from(channels)) {
            pair.interrupt_vector = io::queue_id(index);
        }
    }

    /// What is known of the controller.
    pub(crate) fn info(&self) -> ControllerInfo {
        *self.machine.info()
    }

    /// The proof that the controller has left the bus, if it has.
    pub(crate) fn gone_proof(&self) -> Option<DmaStopped> {
        self.machine.gone_proof()
    }

    /// Steps with `event`, and performs what follows.
    fn advance<I: Irql, X: Exclusion>(
        &mut self,
        callback: &Callback<'_, '_, I, X>,
        event: What,
    ) -> stepped::Progress<Outcome, Failure> {
        let event = match event {
            What::Begin(request, budget) => Event::Begin { request, budget },
            What::Tick => Event::Tick,
            What::Completion(completed) => Event::Completion {
                tag: completed.tag,
                status: completed.status,
                result: completed.result,
                data: self.rings.transfers.then_some(&self.data),
            },
        };
        let mut tables = Tables {
            queue_pairs: &self.pairs,
            namespaces: &mut self.namespaces,
        };
        let mut performer = Performer {
            cx: callback.cx,
            adapter: callback.adapter,
            hardware: &callback.hardware,
            rings: &mut self.rings,
        };
        match self.machine.advance(event, &mut tables, &mut performer) {
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

    /// The next completion for the machine, others dealt with on the way.
    fn completed<I: Irql, X: Exclusion>(
        &mut self,
        callback: &Callback<'_, '_, I, X>,
        who: Who,
    ) -> Option<Completed> {
        let hardware = &callback.hardware;
        for _ in 0..ADMIN_ENTRIES {
            let Some(completed) = self.rings.admin.next(&hardware.memory, &hardware.doorbells) else {
                break;
            };
            match completed.key {
                admin::EVENT => {
                    self.rings.event_requests = self.rings.event_requests.saturating_sub(1);
                    let (cx, adapter) = (callback.cx, callback.adapter);
                    self.events_stopped |= !events::note(cx, adapter, completed.status, completed.result);
                }
                admin::MACHINE => {
                    if !completed.status.is_success() {
                        trace::admin_ended(
                            callback.cx,
                            trace::Event::AdminFailed,
                            completed.status,
                            completed.result,
                        );
                    }
                    if self.rings.transfers {
                        hardware.memory.admin_data.read(0, &mut self.data);
                    }
                    if !self.worker_drives || who == Who::Worker {
                        return Some(completed);
                    }
                    self.rings.parked.put(completed);
                }
                admin::EXCHANGE => {
                    exchange::note(callback.cx, callback.adapter, completed.tag, completed.status);
                }
                _ => trace::admin_ended(
                    callback.cx,
                    trace::Event::AbortEnded,
                    completed.status,
                    completed.result,
                ),
            }
        }
        let parked = self.rings.parked.get().copied();
        if who == Who::Interrupt {
            return None;
        }
        self.rings.parked.clear();
        parked
    }

    /// Asks for an event, if the controller tells any and has no request.
    fn request_event(&mut self, hardware: &Hardware<'_>) {
        let wanted = self.machine.info().events_configured;
        if wanted && !self.events_stopped && self.rings.event_requests == 0 && self.rings.io_entries != 0 {
            let entry = nvme::admin::async_event_request();
            let queue = &mut self.rings.admin;
            if queue.submit(&hardware.memory, &hardware.doorbells, entry, admin::EVENT, 0) {
                self.rings.event_requests = 1;
            }
        }
    }

    /// Opens the I/O queue pairs, of which the controller has made `pairs`. A processor that was held up between taking a
    /// request of the last life and giving its slot back is waited for.
    ///
    /// The port driver's channels are as many as the first start had pairs: a controller that grants fewer later is of no
    /// use, one that grants more has no requests for them.
    fn open<I: Irql, X: Exclusion>(&self, callback: &Callback<'_, '_, I, X>, pairs: u16) -> bool {
        const TRIES: u32 = 200;
        let adapter = callback.adapter;
        let shadowed = self.machine.info().has_shadow_doorbells;
        if adapter.pairs() == 0 {
            adapter.set_pairs(pairs);
        }
        if usize::from(pairs) < adapter.pairs() {
            return false;
        }
        adapter.queues().all(|(index, queue)| {
            (0..TRIES).any(|_| {
                let (epoch, entries) = (self.rings.io_epoch, self.rings.io_entries);
                let open = queue.open(io::queue_id(index), epoch, entries, shadowed);
                if !open {
                    callback.cx.stall(POLL);
                }
                open
            })
        })
    }

    /// The write cache was enabled or disabled.
    pub(super) fn set_write_cache(&mut self, enabled: bool) {
        self.machine.set_write_cache(enabled);
    }

    /// How many commands the controller aborts at a time.
    pub(super) fn abort_limit(&self) -> u16 {
        self.machine.info().abort_limit
    }
}

/// The first event of a row of steps.
#[derive(Clone, Copy)]
enum What {
    Begin(Request, Micros),
    Tick,
    Completion(Completed),
}

impl<I: Irql, X: Exclusion> Stepped<Callback<'_, '_, I, X>> for Path {
    type Request = Request;
    type Outcome = Outcome;
    type Failure = Failure;

    fn begin(
        &mut self,
        callback: &Callback<'_, '_, I, X>,
        request: Request,
        budget: Duration,
        who: Who,
    ) -> stepped::Progress<Outcome, Failure> {
        if callback.is_shut_out() {
            return stepped::Progress::Failed(Failure::OutOfPhase);
        }
        self.busy = true;
        self.worker_drives = who == Who::Worker;
        self.rings.parked.clear();
        let budget = Micros(u64::try_from(budget.as_micros()).unwrap_or(u64::MAX));
        self.advance(callback, What::Begin(request, budget))
    }

    fn look(&mut self, callback: &Callback<'_, '_, I, X>, who: Who) -> stepped::Progress<Outcome, Failure> {
        let (cx, adapter) = (callback.cx, callback.adapter);
        if callback.is_shut_out() {
            return stepped::Progress::Waiting;
        }
        if let Some(completed) = self.completed(callback, who) {
            return self.advance(callback, What::Completion(completed));
        }
        if self.rings.parked.get().is_some() {
            events::want(adapter);
        } else if self.busy && self.due <= now(cx) {
            if !self.worker_drives || who == Who::Worker {
                return self.advance(callback, What::Tick);
            }
            events::want(adapter);
            self.due = now(cx).after(WORKER_PATIENCE);
        }
        stepped::Progress::Waiting
    }

    fn conclude(&mut self, callback: &Callback<'_, '_, I, X>, progress: stepped::Progress<Outcome, Failure>) {
        let (cx, adapter) = (callback.cx, callback.adapter);
        if let stepped::Progress::Failed(failure) = progress {
            trace::control_failed(cx, adapter, failure);
        }
        match progress {
            stepped::Progress::Done(Outcome::Ready { pairs, changes }) => {
                let duration = trace::since(cx, adapter);
                let values = [pairs.into(), self.rings.io_entries.into(), duration, 0];
                trace::event(cx, adapter, trace::Event::AdapterReady, values);
                trace::namespaces(cx, adapter, changes, &self.namespaces);
                adapter.units_outdated.store(1, Ordering::Release);
                let state = if self.open(callback, pairs) {
                    State::Ready
                } else {
                    State::Failed
                };
                adapter.set_state(state);
                self.events_stopped = false;
                self.request_event(&callback.hardware);
            }
            stepped::Progress::Done(Outcome::Rescanned(changes)) => {
                if changes.added | changes.removed | changes.changed != 0 {
                    adapter.units_outdated.store(1, Ordering::Release);
                }
                trace::namespaces(cx, adapter, changes, &self.namespaces);
                events::rescanned(cx, adapter, changes);
            }
            stepped::Progress::Done(Outcome::LogRead {
                page: LogPageId::SMART,
            }) => {
                trace::health(cx, adapter, &self.data);
            }
            stepped::Progress::Failed(_) if adapter.state() == State::Recovering => {
                adapter.give_up();
                trace::adapter_failed(cx, adapter);
            }
            // A command that is not back may still write to the data page: nothing can be asked any more.
            stepped::Progress::Failed(
                Failure::FatalStatus
                | Failure::Gone
                | Failure::AdminTimeout { .. }
                | Failure::CommandOutstanding,
            ) if adapter.state() == State::Ready => events::reset(cx, adapter),
            _ => {}
        }
        if !progress.is_waiting() {
            self.worker_drives = false;
            if adapter.events.load(Ordering::Acquire) != 0 && adapter.state() == State::Ready {
                events::wake(cx, adapter, 0);
            }
        } else if adapter.state() == State::Ready {
            self.request_event(&callback.hardware);
        }
    }

    fn due(&self) -> Option<Duration> {
        self.busy.then(|| Duration::from_micros(self.due.0))
    }

    fn abandon(&mut self) {
        self.busy = false;
    }
}
