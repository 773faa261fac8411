//! Resets: of the bus, which is the controller, and of units.

use core::{sync::atomic::Ordering, time::Duration};

use nvme_core::control::{Failure, Outcome, Request};
use storport::{
    Context,
    context::{AtMostDispatch, Exclusion, Irql, WorkItem},
    srb::{Completion, Fresh, Function, Srb, SrbStatus, Started},
    timer::TimerError,
};

use crate::{
    FerroNvme, Locked,
    adapter::{Adapter, State},
    control, io,
    trace::{self, Event},
};

/// Longest time in which CSTS.RDY has to follow CC.EN at a bus reset: well below the watchdog's 0.5 s.
const STOP_BUDGET: Duration = Duration::from_millis(350);
/// How long the port driver holds requests back at most while the controller comes up again.
const PAUSE: Duration = Duration::from_mins(1);
/// How long the commands of a unit may take to come back when the unit is reset.
const UNIT_BUDGET: Duration = Duration::from_secs(5);
/// Between two looks at a unit's commands.
const UNIT_POLL: Duration = Duration::from_millis(5);
/// Every namespace: no namespace has this identifier.
const ALL_UNITS: u32 = 0;

/// The controller could not be stopped in time, or is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ResetFailed;

/// Who wants the controller reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// `HwStorResetBus`.
    Callback = 1,
    /// A `RESET_BUS` request.
    Request,
    /// The miniport itself.
    Own,
}

/// Resets the controller: when this succeeds, every request has been completed, and the controller is on its way up.
///
/// Clearing CC.EN and seeing CSTS.RDY follow is the proof that nothing is transferred any more; without it no request
/// is given back. A controller that takes longer than a reset may last is waited for by the recovery, which completes
/// what is in flight when it has the proof, or fails the adapter.
pub(crate) fn bus<'dev>(
    cx: &mut Locked<'dev>,
    adapter: &'dev Adapter<'dev>,
    cause: Cause,
) -> Result<(), ResetFailed> {
    if !adapter.begin_recovery() {
        return Ok(());
    }
    trace::begin(cx, adapter);
    let values = [cause as u64, adapter.in_flight(), 0, 0];
    trace::event(cx, adapter, Event::ResetBegun, values);
    adapter.close_queues();
    let stopped = control::run(cx, adapter, Request::Stop, STOP_BUDGET, SrbStatus::BusReset);
    // A recovery that a DPC concluded meanwhile lets nothing in. An adapter that was stopped meanwhile is not brought up.
    let goes_on = adapter.begin_recovery();
    adapter.close_queues();
    let code = trace::failure_code(&stopped);
    let result = match stopped {
        Ok(Outcome::Stopped(proof)) => {
            io::reclaim(cx.weakest(), adapter, proof, SrbStatus::BusReset);
            end_unit_reset(cx, adapter, Completion::Status(SrbStatus::BusReset));
            Ok(())
        }
        Err(Failure::Gone) => {
            gone(cx, adapter);
            return Err(ResetFailed);
        }
        Ok(_) | Err(_) => Err(ResetFailed),
    };
    let values = [cause as u64, code, trace::since(cx, adapter), adapter.in_flight()];
    trace::event(cx, adapter, Event::ResetEnded, values);
    if !goes_on {
        // Whoever stopped it completes what it had.
        resume(cx, adapter);
        return Ok(());
    }
    if adapter.paused.swap(1, Ordering::AcqRel) == 0 {
        let _ = cx.pause(PAUSE);
    }
    if !control::recover(cx, adapter) {
        adapter.give_up();
        trace::adapter_failed(cx, adapter);
    }
    resume(cx, adapter);
    result
}

/// The controller has left the bus: nothing can be transferred, and nothing will be.
fn gone<'dev, I: Irql, X: Exclusion>(cx: &Context<'dev, FerroNvme, I, X>, adapter: &'dev Adapter<'dev>) {
    adapter.give_up();
    let proof = control::enter(cx, adapter).and_then(|path| path.gone_proof());
    if let Some(proof) = proof {
        io::reclaim(cx.weakest(), adapter, proof, SrbStatus::NoDevice);
    }
    end_unit_reset(cx, adapter, Completion::Status(SrbStatus::NoDevice));
}

/// Ends the pause of a reset, once the controller is up or given up.
pub(crate) fn resume<'dev, I: AtMostDispatch, X: Exclusion>(
    cx: &Context<'dev, FerroNvme, I, X>,
    adapter: &'dev Adapter<'dev>,
) {
    if adapter.state() != State::Recovering && adapter.paused.swap(0, Ordering::AcqRel) != 0 {
        let _ = cx.resume();
    }
}

/// A reset that the miniport itself finds necessary.
pub(crate) fn request<'dev>(cx: &mut WorkItem<'dev, FerroNvme>, adapter: &'dev Adapter<'dev>) {
    let _ = cx.with_start_io_lock(|cx| bus(cx, adapter, Cause::Own));
}

/// `RESET_LOGICAL_UNIT` and `RESET_DEVICE`: the unit's commands are aborted, and the request is completed when the last
/// is back; new ones are pushed back meanwhile. If they do not come back in time it fails, and the port driver escalates.
pub(crate) fn unit<'dev, 'srb>(
    cx: &mut Locked<'dev>,
    adapter: &'dev Adapter<'dev>,
    srb: Srb<'dev, FerroNvme, Fresh<'srb>>,
) -> Started<'srb> {
    let namespace = if srb.function() == Function::ResetDevice {
        ALL_UNITS
    } else {
        let address = srb.address();
        match address.and_then(|address| cx.start_io_state().units.get(address)) {
            Some(namespace) => namespace.id().0,
            None => return srb.complete(cx, Completion::Status(SrbStatus::NoDevice)),
        }
    };
    #[cfg(ferroport_broken = "buffer-freed-under-dma")]
    crate::broken::complete_unit(cx, adapter, namespace);
    // One unit reset at a time; the port driver escalates.
    if adapter.unit_reset.is_taken(0) {
        return srb.complete(cx, Completion::Status(SrbStatus::Error));
    }
    // The timer holds the StartIo lock, as we do. Whoever submits may not: so the namespace is there before the reset is, and
    // the reset is before the queues are disturbed.
    adapter.unit_reset_namespace.store(namespace, Ordering::Relaxed);
    let started = match adapter.unit_reset.park(0, srb) {
        Ok(started) => started,
        Err(srb) => return srb.complete(cx, Completion::Status(SrbStatus::Error)),
    };
    for (_, queue) in adapter.queues() {
        queue.disturb();
    }
    let values = [namespace.into(), adapter.in_flight(), 0, 0];
    trace::event(cx, adapter, Event::UnitResetBegun, values);
    if !adapter.is_any_in_flight(namespace) {
        end_unit_reset(cx, adapter, Completion::Success { transferred: 0 });
        return started;
    }
    let deadline = cx.now().saturating_add(UNIT_BUDGET).as_micros();
    adapter
        .unit_reset_deadline
        .store(u64::try_from(deadline).unwrap_or(u64::MAX), Ordering::Relaxed);
    control::abort(cx, adapter, namespace);
    if !watch(cx, adapter, UNIT_POLL) {
        end_unit_reset(cx, adapter, Completion::Status(SrbStatus::Error));
    }
    started
}

/// Whether new commands of `namespace` are pushed back because the unit is being reset. Asked after a slot was claimed: a
/// claim that does not see the reset is not published.
#[inline]
pub(crate) fn holds_back(adapter: &Adapter<'_>, namespace: u32) -> bool {
    if !adapter.unit_reset.is_taken(0) {
        return false;
    }
    let reset = adapter.unit_reset_namespace.load(Ordering::Relaxed);
    reset == ALL_UNITS || reset == namespace
}

/// Completes the unit reset that waits, if one does.
fn end_unit_reset<'dev, I: Irql, X: Exclusion>(
    cx: &Context<'dev, FerroNvme, I, X>,
    adapter: &'dev Adapter<'dev>,
    completion: Completion<'_>,
) {
    if let Some(srb) = adapter.unit_reset.take(cx, 0) {
        trace::unit_reset_ended(cx, adapter, &completion);
        srb.complete(cx, completion);
    }
}

/// Has the watch timer run `after` that, or earlier, or when it was going to run: it serves resets of units and exchanges that
/// wait. False if it does not run.
pub(crate) fn watch<'dev>(cx: &Locked<'dev>, adapter: &'dev Adapter<'dev>, after: Duration) -> bool {
    let timer = adapter.watch_timer.get();
    timer.is_some_and(|timer| matches!(cx.start_timer(timer, after), Ok(()) | Err(TimerError::Busy)))
}

/// The watch timer: is the unit's last command back?
pub(crate) fn watch_unit<'dev>(cx: &Locked<'dev>, adapter: &'dev Adapter<'dev>) {
    if !adapter.unit_reset.is_taken(0) {
        return;
    }
    let namespace = adapter.unit_reset_namespace.load(Ordering::Relaxed);
    let deadline = Duration::from_micros(adapter.unit_reset_deadline.load(Ordering::Relaxed));
    let completion = if !adapter.is_any_in_flight(namespace) {
        Completion::Success { transferred: 0 }
    } else if cx.now() >= deadline {
        Completion::Status(SrbStatus::Error)
    } else {
        // The controller takes few aborts at a time.
        control::abort(cx, adapter, namespace);
        if watch(cx, adapter, UNIT_POLL) {
            return;
        }
        Completion::Status(SrbStatus::Error)
    };
    end_unit_reset(cx, adapter, completion);
}

/// Why the adapter stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// `ScsiStopAdapter`: a restart may follow, the memory stays ours.
    Pause,
    /// Removal, or a start that failed: the memory goes, so that the controller must not transfer any more.
    Removal,
}

/// `ScsiStopAdapter` and removal: shuts the controller down as far as it answers within the time that a callback has.
pub(crate) fn stop<'dev, I: Irql, X: Exclusion>(
    cx: &Context<'dev, FerroNvme, I, X>,
    adapter: &'dev Adapter<'dev>,
    why: Stop,
) {
    const SHUTDOWN_BUDGET: Duration = Duration::from_millis(250);
    if adapter.state() == State::Stopped && why == Stop::Pause {
        return;
    }
    adapter.set_state(State::Stopped);
    trace::begin(cx, adapter);
    let values = [why as u64, adapter.in_flight(), 0, 0];
    trace::event(cx, adapter, Event::AdapterStopping, values);
    adapter.close_queues();
    let request = Request::Shutdown { delete_queues: false };
    let shutdown = control::run(cx, adapter, request, SHUTDOWN_BUDGET, SrbStatus::NoDevice);
    adapter.set_state(State::Stopped);
    adapter.close_queues();
    // A controller that is still shutting down is let to: disabling it would make the shutdown an unsafe one.
    if why == Stop::Removal || shutdown != Err(Failure::ShutdownTimeout) {
        disable(cx, adapter, why);
    }
    let values = [
        why as u64,
        trace::failure_code(&shutdown),
        trace::since(cx, adapter),
        0,
    ];
    trace::event(cx, adapter, Event::AdapterStopped, values);
}

/// Disables the controller and completes what it had.
///
/// Where its memory goes afterwards, a controller that does not stop is reset with its subsystem, if it can be. If it cannot, or
/// that does not help either, nothing says that it will not write to the buffers of its commands any more: their requests
/// are kept, because a removal that does not end is less than memory that is overwritten.
pub(crate) fn disable<'dev, I: Irql, X: Exclusion>(
    cx: &Context<'dev, FerroNvme, I, X>,
    adapter: &'dev Adapter<'dev>,
    why: Stop,
) {
    const DISABLE_BUDGET: Duration = Duration::from_millis(150);
    let request = match why {
        Stop::Pause => Request::Stop,
        Stop::Removal => Request::StopForGood,
    };
    match control::run(cx, adapter, request, DISABLE_BUDGET, SrbStatus::NoDevice) {
        Ok(Outcome::Stopped(proof)) => {
            io::reclaim(cx.weakest(), adapter, proof, SrbStatus::NoDevice);
            end_unit_reset(cx, adapter, Completion::Status(SrbStatus::NoDevice));
        }
        Err(Failure::Gone) => {
            gone(cx, adapter);
            adapter.set_state(State::Stopped);
        }
        Ok(_) | Err(_) => {}
    }
}
