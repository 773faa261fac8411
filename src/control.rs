//! Steps the control machine.
//!
//! One state, three drivers: bounded stalls where the caller must not return before the end ([`run`]), DPC and timer
//! ([`pump`]), and the work item ([`crate::events`]), which steps under the StartIo lock. Who holds the state alone steps;
//! who is refused leaves a note and returns.

use core::{sync::atomic::Ordering, time::Duration};

use nvme::Register;
use nvme_core::{
    DmaStopped, Instant, Micros,
    control::{
        Action, Control, ControlConfig, DATA_SIZE, Event, Failure, Outcome, QueuePair, Request, Tables,
    },
    namespace::NamespaceTable,
};
use storport::{
    Context,
    cell::Entered,
    context::{AtMostDispatch, Exclusion, Irql, PassiveInitialize, Running, StartIo, Unshared},
    register::Registers,
    srb::SrbStatus,
};
use zerocopy::FromZeros;

use crate::{
    FerroNvme,
    adapter::{Adapter, StartIoState, State},
    admin::{self, AdminQueue, Completed},
    events, io,
    memory::{ADMIN_ENTRIES, IO_ENTRIES, IO_QUEUES, Memory},
    request::MAX_TRANSFER,
};

/// The DPC of message 0: completions of the admin queue.
pub(crate) const CONTROL_DPC: usize = 0;
/// The DPC of the I/O queue pair.
pub(crate) const IO_DPC: usize = 1;

/// Between two looks while polling.
const POLL: Duration = Duration::from_micros(50);
/// More steps than this in a row do not happen; the timer goes on with the rest.
const MAX_STEPS: u32 = 4096;
/// How often a busy state is tried by a caller that must have it.
const MAX_TRIES: u32 = 20_000;
/// How long a recovery after a reset may take before the adapter is given up.
const RECOVERY_BUDGET: Micros = Micros::from_secs(150);
/// How long the work item may take to do its step, before it is asked for again.
const WORKER_PATIENCE: Micros = Micros::from_millis(10);

/// The machine, its memory, and how it is driven at present. All zeroes: idle and not configured.
#[derive(FromZeros)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each tells one thing of its own; the machine has the states"
)]
pub(crate) struct Path {
    machine: Control,
    pub(crate) namespaces: NamespaceTable,
    pub(crate) admin: AdminQueue,
    pairs: [QueuePair; IO_QUEUES as usize],
    /// Entries and life of the I/O queue pair that the machine has prepared.
    io_entries: u16,
    /// A request is under way.
    busy: bool,
    /// The work item steps: others only hand it the completion.
    worker_drives: bool,
    /// A completion that waits for the work item.
    parked: bool,
    /// Events are not asked for, because one failed.
    events_stopped: bool,
    /// Event requests that the controller has.
    event_requests: u8,
    /// The tag of the command under way, and whether its completion needs the data page.
    transfers: bool,
    /// When to step again without a completion.
    due: Instant,
    io_epoch: nvme_core::Epoch,
    parked_tag: u32,
    parked_status: u32,
    parked_result: u32,
    /// What an admin command's data page held when its completion was seen.
    data: [u8; DATA_SIZE],
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It goes on by itself.
    Waiting,
    /// It is done.
    Done(Outcome),
    /// It failed.
    Failed(Failure),
}

/// What stepping needs besides the state.
struct Hardware<'dev> {
    registers: Registers<'dev>,
    memory: Memory<'dev>,
    doorbells: io::Doorbells<'dev>,
    status: SrbStatus,
}

fn now<M: storport::Miniport, I: Irql, X: Exclusion>(cx: &Context<'_, M, I, X>) -> Instant {
    Instant(u64::try_from(cx.now().as_micros()).unwrap_or(u64::MAX))
}

fn read(registers: Registers<'_>, register: Register) -> u64 {
    if register.is_64_bit() {
        registers.read64(register.offset())
    } else {
        u64::from(registers.read32(register.offset()))
    }
}

fn write(registers: Registers<'_>, register: Register, value: u64) {
    if register.is_64_bit() {
        registers.write64(register.offset(), value);
    } else {
        let [a, b, c, d, ..] = value.to_le_bytes();
        registers.write32(register.offset(), u32::from_le_bytes([a, b, c, d]));
    }
}

impl Path {
    /// Tells the machine of its memory.
    pub(crate) fn configure(&mut self, registers: Registers<'_>, memory: &Memory<'_>, vector: u16) -> bool {
        self.pairs = [QueuePair {
            submission_queue: memory.io_submission.bus_address(),
            completion_queue: memory.io_completion.bus_address(),
            entries: IO_ENTRIES,
            interrupt_vector: vector,
        }];
        let config = ControlConfig {
            admin_submission_queue: memory.admin_submission.bus_address(),
            admin_completion_queue: memory.admin_completion.bus_address(),
            data_page: memory.admin_data.bus_address(),
            register_bytes: u64::from(registers.length()),
            admin_entries: ADMIN_ENTRIES,
        };
        self.machine.configure(config).is_ok()
    }

    /// Which message the I/O queue pair uses.
    pub(crate) fn set_vector(&mut self, vector: u16) {
        for pair in &mut self.pairs {
            pair.interrupt_vector = vector;
        }
    }

    /// What is known of the controller.
    pub(crate) fn info(&self) -> nvme_core::control::ControllerInfo {
        *self.machine.info()
    }

    /// The proof that the controller has left the bus, if it has.
    pub(crate) fn gone_proof(&self) -> Option<DmaStopped> {
        self.machine.gone_proof()
    }

    /// Whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        !self.busy
    }

    /// Performs actions until the machine has to wait or is finished.
    fn advance<'dev, I: Irql, X: Exclusion>(
        &mut self,
        cx: &Context<'dev, FerroNvme, I, X>,
        adapter: &'dev Adapter<'dev>,
        hardware: &Hardware<'dev>,
        first: First,
    ) -> Progress {
        let mut action = {
            let event = match first {
                First::Begin(request, budget) => Event::Begin { request, budget },
                First::Tick => Event::Tick,
                First::Completion(completed) => Event::Completion {
                    tag: completed.tag,
                    status: completed.status,
                    result: completed.result,
                    data: self.transfers.then_some(&self.data),
                },
            };
            let tables = &mut Tables {
                queue_pairs: &self.pairs,
                namespaces: &mut self.namespaces,
            };
            self.machine.step(event, now(cx), tables)
        };
        for _ in 0..MAX_STEPS {
            let event = match action {
                Action::Read(register) => Event::Value(read(hardware.registers, register)),
                Action::Write(register, value) => {
                    write(hardware.registers, register, value);
                    Event::Performed
                }
                Action::Reclaim(proof) => {
                    self.reclaim(cx, adapter, proof, hardware.status);
                    Event::Performed
                }
                Action::PrepareAdminQueue { entries, epoch } => {
                    if !self.admin.prepare(&hardware.memory, entries, epoch) {
                        self.busy = false;
                        return Progress::Failed(Failure::CommandOutstanding);
                    }
                    Event::Performed
                }
                Action::PrepareQueuePair { entries, epoch, .. } => {
                    hardware.memory.io_completion.zero();
                    self.io_entries = entries;
                    self.io_epoch = epoch;
                    Event::Performed
                }
                Action::Submit {
                    tag,
                    entry,
                    transfers,
                    deadline,
                } => {
                    self.transfers = transfers;
                    self.due = deadline;
                    // Without room the deadline comes; the ring has room for every command that is ever outstanding.
                    self.admin
                        .submit(&hardware.memory, &hardware.doorbells, entry, admin::MACHINE, tag);
                    return Progress::Waiting;
                }
                Action::Wait { until } => {
                    self.due = until;
                    return Progress::Waiting;
                }
                Action::None => return Progress::Waiting,
                Action::Done(outcome) => {
                    self.busy = false;
                    return Progress::Done(outcome);
                }
                Action::Failed(failure) => {
                    self.busy = false;
                    return Progress::Failed(failure);
                }
            };
            let tables = &mut Tables {
                queue_pairs: &self.pairs,
                namespaces: &mut self.namespaces,
            };
            action = self.machine.step(event, now(cx), tables);
        }
        self.due = now(cx).after(Micros::from_millis(1));
        Progress::Waiting
    }

    fn reclaim<'dev, I: Irql, X: Exclusion>(
        &mut self,
        cx: &Context<'dev, FerroNvme, I, X>,
        adapter: &'dev Adapter<'dev>,
        proof: DmaStopped,
        status: SrbStatus,
    ) {
        io::reclaim(cx, adapter, proof, status);
        self.admin.reclaim(proof);
        self.event_requests = 0;
        self.parked = false;
    }

    /// One look at the admin queue and the clock; performs what follows from it.
    fn look<'dev, I: Irql, X: Exclusion>(
        &mut self,
        cx: &Context<'dev, FerroNvme, I, X>,
        adapter: &'dev Adapter<'dev>,
        hardware: &Hardware<'dev>,
        who: Who,
    ) -> Progress {
        for _ in 0..ADMIN_ENTRIES {
            let Some(completed) = self.admin.next(&hardware.memory, &hardware.doorbells) else {
                break;
            };
            match completed.key {
                admin::EVENT => {
                    self.event_requests = self.event_requests.saturating_sub(1);
                    self.events_stopped |= !events::note(cx, adapter, completed.status, completed.result);
                }
                admin::MACHINE => {
                    if self.transfers {
                        hardware.memory.admin_data.read(0, &mut self.data);
                    }
                    if self.worker_drives && who != Who::Worker {
                        self.park(&completed);
                        continue;
                    }
                    return self.advance(cx, adapter, hardware, First::Completion(completed));
                }
                _ => {}
            }
        }
        if who != Who::Interrupt
            && let Some(completed) = self.unpark()
        {
            return self.advance(cx, adapter, hardware, First::Completion(completed));
        }
        if self.parked {
            events::want(adapter);
            return Progress::Waiting;
        }
        if self.busy && self.due <= now(cx) {
            if self.worker_drives && who != Who::Worker {
                events::want(adapter);
                self.due = now(cx).after(WORKER_PATIENCE);
                return Progress::Waiting;
            }
            return self.advance(cx, adapter, hardware, First::Tick);
        }
        Progress::Waiting
    }

    fn park(&mut self, completed: &Completed) {
        self.parked = true;
        self.parked_tag = completed.tag;
        self.parked_status = u32::from(completed.status.into_bits());
        self.parked_result = completed.result;
    }

    fn unpark(&mut self) -> Option<Completed> {
        if !core::mem::take(&mut self.parked) {
            return None;
        }
        let status = nvme::Status::from_bits(u16::try_from(self.parked_status).unwrap_or(u16::MAX));
        Some(Completed {
            key: admin::MACHINE,
            tag: self.parked_tag,
            status,
            result: self.parked_result,
        })
    }

    /// Asks for an event, if the controller tells any and has no request.
    fn request_event(&mut self, hardware: &Hardware<'_>) {
        let wanted = self.machine.info().events_configured;
        if wanted && !self.events_stopped && self.event_requests == 0 && self.io_entries != 0 {
            let entry = nvme::admin::async_event_request();
            if self
                .admin
                .submit(&hardware.memory, &hardware.doorbells, entry, admin::EVENT, 0)
            {
                self.event_requests = 1;
            }
        }
    }

    /// Opens the I/O queue pair. A processor that was held up between taking a request of the last life and giving its
    /// slot back is waited for.
    fn open<'dev, I: Irql, X: Exclusion>(
        &self,
        cx: &Context<'dev, FerroNvme, I, X>,
        adapter: &'dev Adapter<'dev>,
    ) -> bool {
        const TRIES: u32 = 200;
        (0..TRIES).any(|_| {
            let open = adapter.io.open(self.io_epoch, self.io_entries);
            if !open {
                cx.stall(POLL);
            }
            open
        })
    }

    /// What a finished request changes for the rest of the adapter.
    fn conclude<'dev, I: Irql, X: Exclusion>(
        &mut self,
        cx: &Context<'dev, FerroNvme, I, X>,
        adapter: &'dev Adapter<'dev>,
        hardware: &Hardware<'dev>,
        progress: Progress,
    ) {
        match progress {
            Progress::Done(Outcome::Ready { .. }) => {
                adapter.units_outdated.store(1, Ordering::Release);
                let state = if self.open(cx, adapter) {
                    State::Ready
                } else {
                    State::Failed
                };
                adapter.set_state(state);
                self.events_stopped = false;
                self.request_event(hardware);
            }
            Progress::Done(Outcome::Rescanned(changes)) => {
                if changes.added | changes.removed | changes.changed != 0 {
                    adapter.units_outdated.store(1, Ordering::Release);
                }
                events::rescanned(cx, adapter, changes);
            }
            Progress::Failed(_) if adapter.state() == State::Recovering => adapter.set_state(State::Failed),
            Progress::Failed(failure) if adapter.state() == State::Ready => {
                // A command that is not back may still write to the data page: nothing can be asked any more.
                if matches!(
                    failure,
                    Failure::FatalStatus
                        | Failure::Gone
                        | Failure::AdminTimeout { .. }
                        | Failure::CommandOutstanding
                ) {
                    events::reset(cx, adapter);
                }
            }
            _ => {}
        }
        if matches!(progress, Progress::Done(_) | Progress::Failed(_)) {
            self.worker_drives = false;
            if adapter.events.load(Ordering::Acquire) != 0 && adapter.state() == State::Ready {
                events::wake(cx, adapter, 0);
            }
        } else if adapter.state() == State::Ready {
            self.request_event(hardware);
        }
    }
}

/// Who is stepping.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    /// Somebody who waits by stalls.
    Poller,
    /// DPC or timer.
    Interrupt,
    /// The work item.
    Worker,
}

/// The first event of a row of steps.
#[derive(Clone, Copy)]
enum First {
    Begin(Request, Micros),
    Tick,
    Completion(Completed),
}

fn hardware<'dev>(adapter: &'dev Adapter<'dev>, status: SrbStatus) -> Option<Hardware<'dev>> {
    Some(Hardware {
        registers: adapter.registers.get()?,
        memory: adapter.memory.get()?,
        doorbells: adapter.admin_doorbells.get()?,
        status,
    })
}

/// Enters the control path, waiting by stalls for whoever is in it.
pub(crate) fn enter<'dev, I: Irql, X: Exclusion>(
    cx: &Context<'dev, FerroNvme, I, X>,
    adapter: &'dev Adapter<'dev>,
) -> Option<Entered<'dev, Path>> {
    for _ in 0..MAX_TRIES {
        if let Some(path) = adapter.control.try_enter() {
            return Some(path);
        }
        cx.stall(POLL);
    }
    None
}

/// Runs `request` to its end by bounded stalls, within `budget`. Requests in flight that it takes from the controller
/// are completed with `status`.
pub(crate) fn run<'dev, I: Irql, X: Exclusion>(
    cx: &Context<'dev, FerroNvme, I, X>,
    adapter: &'dev Adapter<'dev>,
    request: Request,
    budget: Micros,
    status: SrbStatus,
) -> Result<Outcome, Failure> {
    let hardware = hardware(adapter, status).ok_or(Failure::NotConfigured)?;
    let mut path = enter(cx, adapter).ok_or(Failure::CommandOutstanding)?;
    path.busy = true;
    path.worker_drives = false;
    path.parked = false;
    let mut progress = path.advance(cx, adapter, &hardware, First::Begin(request, budget));
    // The machine keeps the budget by the clock; this bound holds even if the clock stands still.
    let looks = budget
        .0
        .checked_div(u64::try_from(POLL.as_micros()).unwrap_or(1))
        .unwrap_or(0)
        .saturating_mul(4);
    for _ in 0..looks.max(1000) {
        if progress != Progress::Waiting {
            break;
        }
        cx.stall(POLL);
        progress = path.look(cx, adapter, &hardware, Who::Poller);
    }
    path.conclude(cx, adapter, &hardware, progress);
    if progress == Progress::Waiting {
        path.busy = false;
    }
    drop(path);
    serve_refused(cx, adapter);
    match progress {
        Progress::Done(outcome) => Ok(outcome),
        Progress::Failed(failure) => Err(failure),
        Progress::Waiting => Err(Failure::ClockStopped),
    }
}

/// After leaving the control path: the DPC looks for whoever was refused meanwhile.
fn serve_refused<'dev, I: Irql, X: Exclusion>(
    cx: &Context<'dev, FerroNvme, I, X>,
    adapter: &'dev Adapter<'dev>,
) {
    if adapter.control.has_note() {
        cx.issue_dpc(CONTROL_DPC);
    }
}

/// Begins bringing the controller up again after it was stopped; DPC and timer go on with it.
pub(crate) fn recover<'dev, I: Irql, X: Running>(
    cx: &Context<'dev, FerroNvme, I, X>,
    adapter: &'dev Adapter<'dev>,
) -> bool {
    let Some(hardware) = hardware(adapter, SrbStatus::BusReset) else {
        return false;
    };
    let Some(mut path) = enter(cx, adapter) else {
        return false;
    };
    path.busy = true;
    path.worker_drives = false;
    path.parked = false;
    let request = Request::Restart { pairs: IO_QUEUES };
    let progress = path.advance(cx, adapter, &hardware, First::Begin(request, RECOVERY_BUDGET));
    path.conclude(cx, adapter, &hardware, progress);
    arm(cx, adapter, &path);
    drop(path);
    serve_refused(cx, adapter);
    true
}

/// Sets the timer for the time at which the machine wants to be stepped.
fn arm<'dev, I: Irql, X: Running>(
    cx: &Context<'dev, FerroNvme, I, X>,
    adapter: &'dev Adapter<'dev>,
    path: &Path,
) {
    if path.is_idle() {
        return;
    }
    if let Some(timer) = adapter.control_timer.get() {
        // A timer that is set already comes earlier, and is set again then.
        let wait = now(cx).until(path.due).0.clamp(100, 10_000);
        let _ = cx.start_timer(timer, Duration::from_micros(wait));
    }
}

/// A look by DPC, timer or work item, and another for each note that was left meanwhile.
fn visit<'dev, I: Irql, X: Running>(
    cx: &Context<'dev, FerroNvme, I, X>,
    adapter: &'dev Adapter<'dev>,
    who: Who,
    mut begin: impl FnMut(&mut Path) -> Option<Request>,
) {
    const MAX_VISITS: u32 = 64;
    const EVENT_BUDGET: Micros = Micros::from_secs(30);
    let Some(hardware) = hardware(adapter, SrbStatus::BusReset) else {
        return;
    };
    for _ in 0..MAX_VISITS {
        let Some(mut path) = adapter.control.enter_or_note() else {
            return;
        };
        let mut progress = path.look(cx, adapter, &hardware, who);
        path.conclude(cx, adapter, &hardware, progress);
        if path.is_idle()
            && let Some(request) = begin(&mut path)
        {
            path.busy = true;
            path.worker_drives = who == Who::Worker;
            progress = path.advance(cx, adapter, &hardware, First::Begin(request, EVENT_BUDGET));
            path.conclude(cx, adapter, &hardware, progress);
        }
        arm(cx, adapter, &path);
        drop(path);
        if !adapter.control.has_note() {
            return;
        }
    }
    // Whoever keeps leaving notes is served by the DPC.
    cx.issue_dpc(CONTROL_DPC);
}

/// DPC and timer: what has come, and what is due.
pub(crate) fn pump<'dev, I: Irql, X: Running>(
    cx: &Context<'dev, FerroNvme, I, X>,
    adapter: &'dev Adapter<'dev>,
) {
    visit(cx, adapter, Who::Interrupt, |_| None);
}

/// The work item: what has come for it, and `begin`'s request once nothing is under way.
pub(crate) fn work<'dev>(
    cx: &StartIo<'dev, FerroNvme>,
    adapter: &'dev Adapter<'dev>,
    begin: impl FnMut(&mut Path) -> Option<Request>,
) {
    visit(cx, adapter, Who::Worker, begin);
}

/// Asks the controller to abort the commands of `namespace` that are in flight (0: all), as many as it takes at a time.
pub(crate) fn abort<'dev>(cx: &StartIo<'dev, FerroNvme>, adapter: &'dev Adapter<'dev>, namespace: u32) {
    let Some(hardware) = hardware(adapter, SrbStatus::Aborted) else {
        return;
    };
    let Some(mut path) = enter(cx, adapter) else {
        return;
    };
    let limit = path.machine.info().abort_limit;
    let mut command_ids = adapter.io.table.in_flight(namespace);
    for _ in 0..limit.min(ADMIN_ENTRIES / 2) {
        let Some(command_id) = command_ids.next() else {
            break;
        };
        if !path
            .admin
            .abort(&hardware.memory, &hardware.doorbells, io::QUEUE, command_id)
        {
            break;
        }
    }
    drop(path);
    serve_refused(cx, adapter);
}

/// Hands the namespaces of the control path to StartIo, if they changed. Under the StartIo lock.
pub(crate) fn publish_units<'dev>(cx: &mut StartIo<'dev, FerroNvme>, adapter: &'dev Adapter<'dev>) -> bool {
    let changed = replace_units(cx.start_io_state(), adapter);
    serve_refused(cx, adapter);
    changed
}

/// As [`publish_units`], before the adapter is started.
pub(crate) fn publish_first_units<'dev>(
    cx: &mut PassiveInitialize<'dev, FerroNvme>,
    adapter: &'dev Adapter<'dev>,
) {
    replace_units(cx.start_io_state(), adapter);
    serve_refused(cx, adapter);
}

fn replace_units(state: &mut StartIoState, adapter: &Adapter<'_>) -> bool {
    if adapter.units_outdated.load(Ordering::Acquire) == 0 {
        return false;
    }
    // Whoever is in the control path now publishes after it: DPC, timer and work item do.
    let Some(path) = adapter.control.try_enter() else {
        return false;
    };
    adapter.units_outdated.store(0, Ordering::Release);
    let info = path.info();
    state.controller.put(scsi_nvme::Controller {
        serial_number: info.serial_number,
        model_number: info.model_number,
        firmware_revision: info.firmware_revision,
        volatile_write_cache: info.write_cache_present,
        write_cache_enabled: info.write_cache_enabled,
        max_transfer_bytes: info.max_transfer_bytes.min(MAX_TRANSFER),
    });
    state
        .units
        .replace(path.namespaces.online().map(|(_, namespace)| *namespace))
}

/// As [`publish_units`], taking the StartIo lock; then lets the port driver go on after a recovery.
pub(crate) fn settle<'dev, I: AtMostDispatch>(
    cx: &mut Context<'dev, FerroNvme, I, Unshared>,
    adapter: &'dev Adapter<'dev>,
) -> bool {
    adapter.units_outdated.load(Ordering::Acquire) != 0
        && cx.with_start_io_lock(|cx| publish_units(cx, adapter))
}
