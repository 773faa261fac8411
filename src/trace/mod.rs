//! What the driver tells of itself: records in memory, from which come ETW events and entries of the system's event log.
//!
//! [`event`] writes a record to the ring in the adapter's state, at any IRQL and without a lock; there it is found in a crash
//! dump. It asks for the control DPC, and [`publish`] there hands it on where Windows shows it. Nothing is told of a request
//! that goes well.

mod failure;
mod publish;

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

pub(crate) use ferronvme_events::Event;
use nvme::{Status, log::SmartLog};
use nvme_core::{
    control::{Failure, Outcome},
    namespace::{MAX_NAMESPACES, NamespaceChanges, NamespaceState, NamespaceTable},
};
use storport::{
    Context,
    context::{Device, Exclusion, Irql, Unspecified},
    srb::{Completion, Fields, SrbStatus},
};
use trace_ring::TraceRing;
use zerocopy::FromZeros;

pub(crate) use self::publish::publish;
use crate::{FerroNvme, adapter::Adapter, control::CONTROL_DPC};

/// Records that are kept.
const RECORDS: usize = 256;
/// Events of single commands that are told in a second; of more only the number.
const COMMANDS_A_SECOND: u32 = 16;
const SECOND: u64 = 1_000_000;

/// Values of an event that has none.
pub(crate) const NONE: [u64; trace_ring::VALUES] = [0; trace_ring::VALUES];

/// The adapter's part. All zeroes: nothing happened yet.
#[derive(FromZeros)]
pub(crate) struct Trace {
    /// What happened, in the format of crate `trace-ring`.
    ring: TraceRing<RECORDS>,
    publishing: AtomicU32,
    /// The second that [`COMMANDS_A_SECOND`] counts in, and how many there were in it.
    told: AtomicU32,
    second: AtomicU64,
    /// Events of single commands that were not told since the last one that was.
    suppressed: AtomicU64,
    /// When the reset, start or restart that is under way began, in microseconds.
    began: AtomicU64,
    /// Why the control path failed last: code and detail.
    failure: [AtomicU64; 2],
    /// Places whose hidden namespace was told of.
    hidden: AtomicU64,
    gone: AtomicU32,
    reserved: AtomicU32,
}

type Weakest<'a, 'dev> = &'a Context<'dev, FerroNvme, Device, Unspecified>;

#[inline(never)]
fn microseconds(cx: Weakest<'_, '_>) -> u64 {
    u64::try_from(cx.now().as_micros()).unwrap_or(u64::MAX)
}

/// The ring can be found from now on, and the adapter's start is what is under way.
pub(crate) fn open<I: Irql, X: Exclusion>(cx: &Context<'_, FerroNvme, I, X>, adapter: &Adapter<'_>) {
    adapter.trace.ring.open();
    begin(cx, adapter);
}

/// Notes the time for [`since`].
pub(crate) fn begin<I: Irql, X: Exclusion>(cx: &Context<'_, FerroNvme, I, X>, adapter: &Adapter<'_>) {
    let now = microseconds(cx.weakest());
    adapter.trace.began.store(now, Ordering::Relaxed);
}

/// Microseconds since [`begin`].
pub(crate) fn since<I: Irql, X: Exclusion>(cx: &Context<'_, FerroNvme, I, X>, adapter: &Adapter<'_>) -> u64 {
    microseconds(cx.weakest()).saturating_sub(adapter.trace.began.load(Ordering::Relaxed))
}

/// Tells of an event; any IRQL.
pub(crate) fn event<I: Irql, X: Exclusion>(
    cx: &Context<'_, FerroNvme, I, X>,
    adapter: &Adapter<'_>,
    event: Event,
    values: [u64; trace_ring::VALUES],
) {
    record(cx.weakest(), adapter, event, values);
}

#[cold]
#[inline(never)]
fn record(cx: Weakest<'_, '_>, adapter: &Adapter<'_>, event: Event, values: [u64; trace_ring::VALUES]) {
    adapter
        .trace
        .ring
        .write(microseconds(cx), u32::from(event.id()), values);
    cx.issue_dpc(CONTROL_DPC);
}

/// Whether one more event of a single command is told now; the events that were not meanwhile.
fn admit(cx: Weakest<'_, '_>, adapter: &Adapter<'_>) -> Option<u64> {
    let trace = &adapter.trace;
    let second = microseconds(cx) / SECOND;
    if trace.second.swap(second, Ordering::Relaxed) != second {
        trace.told.store(0, Ordering::Relaxed);
    }
    if trace.told.fetch_add(1, Ordering::Relaxed) < COMMANDS_A_SECOND {
        return Some(trace.suppressed.swap(0, Ordering::Relaxed));
    }
    trace.suppressed.fetch_add(1, Ordering::Relaxed);
    None
}

/// Tells of a single command, unless too many were told of already; any IRQL. Behind the values comes how many were not told of.
pub(crate) fn command<I: Irql, X: Exclusion>(
    cx: &Context<'_, FerroNvme, I, X>,
    adapter: &Adapter<'_>,
    event: Event,
    values: &[u64],
) {
    command_anywhere(cx.weakest(), adapter, event, values);
}

#[cold]
#[inline(never)]
fn command_anywhere(cx: Weakest<'_, '_>, adapter: &Adapter<'_>, event: Event, given: &[u64]) {
    let Some(suppressed) = admit(cx, adapter) else {
        return;
    };
    let mut values = NONE;
    for (place, value) in values.iter_mut().zip(given.iter().chain([&suppressed])) {
        *place = *value;
    }
    record(cx, adapter, event, values);
}

/// SCT, SC and DNR of a status, without the phase.
fn status_bits(status: Status) -> u64 {
    u64::from(status.with_phase(false).into_bits() >> 1)
}

/// An I/O command has failed.
pub(crate) fn command_failed<I: Irql, X: Exclusion>(
    cx: &Context<'_, FerroNvme, I, X>,
    srb: &Fields,
    status: Status,
) {
    let operation = srb.cdb().and_then(|cdb| cdb.bytes().first().copied());
    let lun = srb.address().map(|address| address.lun);
    let values = [
        status_bits(status),
        operation.unwrap_or(0).into(),
        lun.unwrap_or(0).into(),
    ];
    command(cx, cx.adapter(), Event::CommandFailed, &values);
}

/// A completion names no command in flight.
#[cold]
#[inline(never)]
pub(crate) fn completion_unknown<I: Irql, X: Exclusion>(
    cx: &Context<'_, FerroNvme, I, X>,
    queue: u16,
    entry: nvme::Completion,
) {
    let values = [
        queue.into(),
        entry.submission_queue_id().into(),
        entry.command_id().into(),
    ];
    command(cx, cx.adapter(), Event::CompletionUnknown, &values);
}

/// An admin command has failed, or an Abort has ended.
pub(crate) fn admin_ended<I: Irql, X: Exclusion>(
    cx: &Context<'_, FerroNvme, I, X>,
    event: Event,
    status: Status,
    result: u32,
) {
    command(cx, cx.adapter(), event, &[status_bits(status), result.into()]);
}

/// An asynchronous event has come.
pub(crate) fn async_event<I: Irql, X: Exclusion>(
    cx: &Context<'_, FerroNvme, I, X>,
    adapter: &Adapter<'_>,
    status: Status,
    result: u32,
) {
    let values = [result.into(), status_bits(status), 0, 0];
    event(cx, adapter, Event::AsyncEvent, values);
}

/// The control path has failed.
pub(crate) fn control_failed<I: Irql, X: Exclusion>(
    cx: &Context<'_, FerroNvme, I, X>,
    adapter: &Adapter<'_>,
    failure: Failure,
) {
    let trace = &adapter.trace;
    let [code, detail] = failure::values(failure);
    for (place, value) in trace.failure.iter().zip([code, detail]) {
        place.store(value, Ordering::Relaxed);
    }
    if failure != Failure::Gone {
        event(cx, adapter, Event::ControlFailed, [code, detail, 0, 0]);
    } else if trace.gone.swap(1, Ordering::Relaxed) == 0 {
        event(cx, adapter, Event::ControllerGone, [adapter.in_flight(), 0, 0, 0]);
    }
}

/// The adapter cannot be used any more, because the control path has failed.
pub(crate) fn adapter_failed<I: Irql, X: Exclusion>(
    cx: &Context<'_, FerroNvme, I, X>,
    adapter: &Adapter<'_>,
) {
    let [code, detail] = adapter.trace.last_failure();
    event(cx, adapter, Event::AdapterFailed, [code, detail, 0, 0]);
}

/// The adapter was not started: in `HwStorFindAdapter` (1), `HwStorInitialize` (2) or `HwStorPassiveInitialize` (3).
pub(crate) fn start_failed<I: Irql, X: Exclusion>(
    cx: &Context<'_, FerroNvme, I, X>,
    adapter: &Adapter<'_>,
    phase: u64,
) {
    let [code, detail] = adapter.trace.last_failure();
    event(cx, adapter, Event::StartFailed, [phase, code, detail, 0]);
}

/// A unit reset has ended.
pub(crate) fn unit_reset_ended<I: Irql, X: Exclusion>(
    cx: &Context<'_, FerroNvme, I, X>,
    adapter: &Adapter<'_>,
    completion: &Completion<'_>,
) {
    let status = match completion {
        Completion::Status(status) => *status,
        Completion::Success { .. } | Completion::Whole => SrbStatus::Success,
        Completion::Scsi { .. } => SrbStatus::Error,
    };
    let namespace = adapter.unit_reset_namespace.load(Ordering::Relaxed);
    let values = [namespace.into(), status as u64, 0, 0];
    event(cx, adapter, Event::UnitResetEnded, values);
}

/// The health log was read.
pub(crate) fn health<I: Irql, X: Exclusion>(
    cx: &Context<'_, FerroNvme, I, X>,
    adapter: &Adapter<'_>,
    data: &[u8],
) {
    let Some(bytes) = data.first_chunk() else {
        return;
    };
    let log = SmartLog::new(bytes);
    let values = [
        log.critical_warning().into(),
        log.temperature_kelvins().into(),
        log.available_spare().into(),
        log.percentage_used().into(),
    ];
    let kind = if log.critical_warning() == 0 {
        Event::HealthRead
    } else {
        Event::HealthWarning
    };
    event(cx, adapter, kind, values);
}

/// A scan of the namespaces has ended.
pub(crate) fn namespaces<I: Irql, X: Exclusion>(
    cx: &Context<'_, FerroNvme, I, X>,
    adapter: &Adapter<'_>,
    changes: NamespaceChanges,
    namespaces: &NamespaceTable,
) {
    if !changes.is_empty() || changes.ignored != 0 {
        let values = [
            changes.added,
            changes.removed,
            changes.changed,
            changes.ignored.into(),
        ];
        event(cx, adapter, Event::NamespacesChanged, values);
    }
    let mut hidden = 0_u64;
    let before = adapter.trace.hidden.load(Ordering::Relaxed);
    for place in 0..MAX_NAMESPACES {
        let bit = 1_u64.wrapping_shl(u32::try_from(place).unwrap_or(0));
        let Some(info) = namespaces
            .get(place)
            .filter(|info| info.state == NamespaceState::Hidden)
        else {
            continue;
        };
        hidden |= bit;
        if before & bit == 0 {
            let values = [info.id.0.into(), info.hidden as u64, 0, 0];
            event(cx, adapter, Event::NamespaceHidden, values);
        }
    }
    adapter.trace.hidden.store(hidden, Ordering::Relaxed);
}

/// How a request of the control machine ended, as a value; 0: well.
pub(crate) fn failure_code(result: &Result<Outcome, Failure>) -> u64 {
    match result {
        Ok(_) => 0,
        Err(failure) => {
            let [code, _] = failure::values(*failure);
            code
        }
    }
}

impl Trace {
    fn last_failure(&self) -> [u64; 2] {
        let [code, detail] = &self.failure;
        [code.load(Ordering::Relaxed), detail.load(Ordering::Relaxed)]
    }
}
