//! Who steps the control path, and when.

use core::time::Duration;

use nvme_core::control::{Failure, Outcome, Request};
use storport::{
    Context,
    cell::Entered,
    context::{Control, Device, Exclusion, Irql, Running, Unspecified},
    srb::SrbStatus,
    stepped::{self, AlarmPort, DriveError, StallPort, Who},
};

use super::{
    CONTROL_DPC,
    hardware::Hardware,
    path::{Callback, Path},
};
use crate::{
    FerroNvme, Locked,
    adapter::{Adapter, State},
    admin, io,
    memory::ADMIN_ENTRIES,
    trace::{self, Event},
};

/// How long a recovery after a reset may take before the adapter is given up.
const RECOVERY_BUDGET: Duration = Duration::from_secs(150);
/// How long a request of the work item may take.
const EVENT_BUDGET: Duration = Duration::from_secs(30);

pub(super) fn stalls<'a, 'dev, I: Irql, X: Exclusion>(
    context: &'a Context<'dev, FerroNvme, I, X>,
) -> StallPort<'a, 'dev, FerroNvme, I, X> {
    StallPort {
        context,
        dpc: CONTROL_DPC,
    }
}

fn alarms<'a, 'dev, I: Irql, X: Running>(
    cx: &'a Context<'dev, FerroNvme, I, X>,
    adapter: &'dev Adapter<'dev>,
) -> AlarmPort<'a, 'dev, FerroNvme, I, X> {
    AlarmPort {
        stalls: stalls(cx),
        timer: adapter.control_timer.get(),
    }
}

/// Enters the control path, waiting by stalls for whoever is in it.
pub(crate) fn enter<'dev, I: Irql, X: Exclusion>(
    cx: &Context<'dev, FerroNvme, I, X>,
    adapter: &'dev Adapter<'dev>,
) -> Option<Entered<'dev, Path>> {
    stepped::enter(&stalls(cx.weakest()), &adapter.control)
}

fn failure(error: DriveError<Failure>) -> Failure {
    match error {
        DriveError::Held => Failure::CommandOutstanding,
        DriveError::ClockStopped => Failure::ClockStopped,
        DriveError::Failed(failure) => failure,
    }
}

/// Runs `request` to its end by bounded stalls, within `budget`. Requests in flight that it takes from the controller
/// are completed with `status`.
pub(crate) fn run<'dev, I: Irql, X: Exclusion>(
    cx: &Context<'dev, FerroNvme, I, X>,
    adapter: &'dev Adapter<'dev>,
    request: Request,
    budget: Duration,
    status: SrbStatus,
) -> Result<Outcome, Failure> {
    run_anywhere(cx.weakest(), adapter, request, budget, status)
}

fn run_anywhere<'dev>(
    cx: &Context<'dev, FerroNvme, Device, Unspecified>,
    adapter: &'dev Adapter<'dev>,
    request: Request,
    budget: Duration,
    status: SrbStatus,
) -> Result<Outcome, Failure> {
    let hardware = Hardware::new(adapter, status).ok_or(Failure::NotConfigured)?;
    let callback = Callback {
        cx,
        adapter,
        hardware,
    };
    stepped::run(&stalls(cx), &adapter.control, &callback, request, budget).map_err(failure)
}

/// Begins bringing the controller up again after it was stopped; DPC and timer go on with it.
pub(crate) fn recover<'dev, I: Irql, X: Running>(
    cx: &Context<'dev, FerroNvme, I, X>,
    adapter: &'dev Adapter<'dev>,
) -> bool {
    recover_anywhere(cx.as_control(), adapter)
}

fn recover_anywhere<'dev>(cx: &Control<'dev, FerroNvme>, adapter: &'dev Adapter<'dev>) -> bool {
    let Some(hardware) = Hardware::new(adapter, SrbStatus::BusReset) else {
        return false;
    };
    let callback = Callback {
        cx,
        adapter,
        hardware,
    };
    let request = Request::Restart {
        pairs: u16::try_from(adapter.pairs()).unwrap_or(0),
    };
    let port = alarms(cx, adapter);
    stepped::start(&port, &adapter.control, &callback, request, RECOVERY_BUDGET).is_ok()
}

fn visit<'dev>(
    cx: &Control<'dev, FerroNvme>,
    adapter: &'dev Adapter<'dev>,
    who: Who,
    next: &mut dyn FnMut() -> Option<Request>,
) {
    let Some(hardware) = Hardware::new(adapter, SrbStatus::BusReset) else {
        return;
    };
    let callback = Callback {
        cx,
        adapter,
        hardware,
    };
    stepped::visit(&alarms(cx, adapter), &adapter.control, &callback, who, |_| {
        Some((next()?, EVENT_BUDGET))
    });
}

/// DPC and timer: what has come, and what is due.
pub(crate) fn pump<'dev, I: Irql, X: Running>(
    cx: &Context<'dev, FerroNvme, I, X>,
    adapter: &'dev Adapter<'dev>,
) {
    visit(cx.as_control(), adapter, Who::Interrupt, &mut || None);
}

/// The work item: what has come for it, and `next`'s request once nothing is under way.
///
/// Under the StartIo lock, at `DISPATCH_LEVEL`: a reset must not find the control path held by a thread that waits for
/// its processor.
pub(crate) fn work<'dev>(
    cx: &Locked<'dev>,
    adapter: &'dev Adapter<'dev>,
    mut next: impl FnMut() -> Option<Request>,
) {
    visit(cx.as_control(), adapter, Who::Worker, &mut next);
}

/// Asks the controller to abort the commands of `namespace` that are in flight (0: all), as many as it takes at a time.
pub(crate) fn abort<'dev>(cx: &Locked<'dev>, adapter: &'dev Adapter<'dev>, namespace: u32) {
    let Some(hardware) = Hardware::new(adapter, SrbStatus::Aborted) else {
        return;
    };
    let Some(mut path) = enter(cx, adapter) else {
        return;
    };
    let limit = path.abort_limit();
    let mut commands = adapter.queues().flat_map(|(index, queue)| {
        queue
            .in_flight(namespace)
            .map(move |id| (io::queue_id(index), id))
    });
    for _ in 0..limit.min(ADMIN_ENTRIES / 2) {
        let Some((queue_id, command_id)) = commands.next() else {
            break;
        };
        let queue = &mut path.rings.admin;
        if !queue.abort(&hardware.memory, &hardware.doorbells, queue_id, command_id) {
            break;
        }
        let values = [queue_id.into(), command_id.into()];
        trace::command(cx, adapter, Event::AbortSent, &values);
    }
    stepped::leave(&stalls(cx), &adapter.control, path);
}

/// Submits an admin command of the exchange at place `tag`; false if there is no room for it, or the control path is held.
pub(crate) fn submit_exchange<'dev>(
    cx: &Locked<'dev>,
    adapter: &'dev Adapter<'dev>,
    entry: nvme::SubmissionEntry,
    tag: u32,
) -> bool {
    let Some(hardware) = Hardware::new(adapter, SrbStatus::Aborted) else {
        return false;
    };
    let Some(mut path) = enter(cx, adapter) else {
        return false;
    };
    // Asked by who holds the path: who stops or resets the adapter says so before it takes the path.
    let submitted = adapter.state() == State::Ready
        && path
            .rings
            .admin
            .submit(&hardware.memory, &hardware.doorbells, entry, admin::EXCHANGE, tag);
    stepped::leave(&stalls(cx), &adapter.control, path);
    submitted
}

/// The write cache was enabled or disabled by an exchange.
pub(crate) fn write_cache_set<'dev>(cx: &mut Locked<'dev>, adapter: &'dev Adapter<'dev>, enabled: bool) {
    if let Some(controller) = cx.start_io_state().controller.get_mut() {
        controller.write_cache_enabled = enabled;
    }
    if let Some(mut path) = enter(cx, adapter) {
        path.set_write_cache(enabled);
        stepped::leave(&stalls(cx), &adapter.control, path);
    }
}
