//! Asynchronous events: noted where the completion is seen, dealt with in a work item.

use core::{sync::atomic::Ordering, time::Duration};

use nvme::{NamespaceId, Status, log::LogPageId};
use nvme_core::{
    async_event::{Reaction, reaction},
    control::Request,
    namespace::NamespaceChanges,
};
use storport::{
    Context,
    context::{AtMostDispatch, Exclusion, Irql, Running, StateChange, WorkItem},
    srb::Address,
    work_item::{Work, Worker},
};

use crate::{
    FerroNvme,
    adapter::{Adapter, State},
    control::{self, CONTROL_DPC},
    trace,
};

/// Namespaces came, went or changed.
const RESCAN: u32 = 1 << 0;
/// The health log is to be read.
const HEALTH: u32 = 1 << 1;
/// The error log is to be read.
const ERRORS: u32 = 1 << 2;
/// The firmware slot log is to be read.
const FIRMWARE: u32 = 1 << 3;
/// The controller is to be reset.
const RESET: u32 = 1 << 4;
/// The port driver is to be told that units changed.
const TELL: u32 = 1 << 5;

/// Until what could not be done is tried again.
const AGAIN: Duration = Duration::from_millis(20);

/// The reaction to asynchronous events, in `HwStorWorkItem`: log pages, Identify Namespace again, the port driver told.
///
/// One step of it is done in a run: what waits for the controller goes on in the next. What is to be done is noted in the
/// adapter and not in the payload, so that a refused or coalesced queueing loses nothing.
pub(crate) struct EventWork;

/// Notes an event. False if the controller should not be asked for more.
pub(crate) fn note<'dev, I: Irql, X: Exclusion>(
    cx: &Context<'dev, FerroNvme, I, X>,
    adapter: &'dev Adapter<'dev>,
    status: Status,
    result: u32,
) -> bool {
    trace::async_event(cx, adapter, status, result);
    let event = match reaction(status, result) {
        Reaction::Rescan => RESCAN,
        Reaction::ReadLog(LogPageId::SMART) => HEALTH,
        Reaction::ReadLog(LogPageId::FIRMWARE_SLOT) => FIRMWARE,
        Reaction::ReadLog(_) => ERRORS,
        Reaction::Reset => RESET,
        Reaction::Ignore => return true,
        Reaction::Stop => return false,
    };
    wake(cx, adapter, event);
    true
}

/// A rescan has ended.
pub(crate) fn rescanned<'dev, I: Irql, X: Exclusion>(
    cx: &Context<'dev, FerroNvme, I, X>,
    adapter: &'dev Adapter<'dev>,
    changes: NamespaceChanges,
) {
    if changes.added | changes.removed | changes.changed != 0 {
        wake(cx, adapter, TELL);
    }
}

/// Leaves `events` for the work item; the control DPC, which queues it, is issued.
pub(crate) fn wake<'dev, I: Irql, X: Exclusion>(
    cx: &Context<'dev, FerroNvme, I, X>,
    adapter: &'dev Adapter<'dev>,
    events: u32,
) {
    adapter.events.fetch_or(events, Ordering::AcqRel);
    want(adapter);
    cx.issue_dpc(CONTROL_DPC);
}

/// The work item is to be queued: by the DPC or the timer that is running, at its end.
pub(crate) fn want(adapter: &Adapter<'_>) {
    adapter.worker_wanted.store(1, Ordering::Release);
}

/// Units changed: the port driver is to be told.
pub(crate) fn tell<'dev, I: Irql, X: Exclusion>(
    cx: &Context<'dev, FerroNvme, I, X>,
    adapter: &'dev Adapter<'dev>,
) {
    wake(cx, adapter, TELL);
}

/// The control path cannot be relied on any more: the controller is to be reset.
pub(crate) fn reset<'dev, I: Irql, X: Exclusion>(
    cx: &Context<'dev, FerroNvme, I, X>,
    adapter: &'dev Adapter<'dev>,
) {
    wake(cx, adapter, RESET);
}

/// Queues the work item if it is wanted.
pub(crate) fn queue<'dev, I: AtMostDispatch, X: Running>(
    cx: &Context<'dev, FerroNvme, I, X>,
    adapter: &'dev Adapter<'dev>,
) {
    if adapter.worker_wanted.swap(0, Ordering::AcqRel) == 0 {
        return;
    }
    if let Some(worker) = adapter.event_worker.get() {
        // Busy: it is queued and has not begun, so that it sees what is noted. Gone: the adapter goes, too.
        let _ = cx.queue(worker, EventWork);
    }
}

/// The next request of the control machine for what is pending, and what remains.
fn next_request(events: u32) -> Option<(Request, u32)> {
    let log = |page| Request::ReadLog {
        page,
        namespace: NamespaceId::ALL,
        bytes: 512,
    };
    if events & RESCAN != 0 {
        Some((
            Request::Rescan {
                read_changed_list: true,
            },
            events & !RESCAN,
        ))
    } else if events & HEALTH != 0 {
        Some((log(LogPageId::SMART), events & !HEALTH))
    } else if events & ERRORS != 0 {
        Some((
            Request::ReadLog {
                page: LogPageId::ERROR,
                namespace: NamespaceId::ALL,
                bytes: 64,
            },
            events & !ERRORS,
        ))
    } else if events & FIRMWARE != 0 {
        Some((log(LogPageId::FIRMWARE_SLOT), events & !FIRMWARE))
    } else {
        None
    }
}

impl Work<FerroNvme> for EventWork {
    fn run<'dev>(
        self,
        cx: &mut WorkItem<'dev, FerroNvme>,
        adapter: &'dev Adapter<'dev>,
        _worker: Worker<'dev, FerroNvme, Self>,
    ) {
        let mut events = adapter.events.swap(0, Ordering::AcqRel);
        // Under the StartIo lock, at DISPATCH_LEVEL: a reset must not find the control path held by a thread that waits
        // for its processor.
        let changed = cx.with_start_io_lock(|cx| {
            if adapter.state() == State::Ready {
                control::work(cx, adapter, || {
                    let (request, rest) = next_request(events)?;
                    events = rest;
                    Some(request)
                });
            }
            control::publish_units(cx, adapter)
        });
        if changed {
            events |= TELL;
        }
        // Told of units that StartIo does not see yet, the port driver would find the old ones.
        if events & TELL != 0 && adapter.units_outdated.load(Ordering::Acquire) == 0 {
            let unit = Address {
                path: 0,
                target: 0,
                lun: 0,
            };
            // The rescan that changed the units asked for this, too: once is enough.
            adapter.events.fetch_and(!TELL, Ordering::AcqRel);
            // While one notification is outstanding there is no other.
            if cx.state_change_detected(unit, StateChange::Bus).is_ok() {
                events &= !TELL;
            }
        }
        if events & RESET != 0 {
            events &= !RESET;
            crate::reset::request(cx, adapter);
        }
        // What is left waits for the control path or the port driver: the timer brings us here again.
        if events != 0 && matches!(adapter.state(), State::Ready | State::Recovering) {
            adapter.events.fetch_or(events, Ordering::AcqRel);
            want(adapter);
            if let Some(timer) = adapter.control_timer.get() {
                let _ = cx.start_timer(timer, AGAIN);
            }
        }
    }
}
