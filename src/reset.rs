//! Resets: of the bus, which is the controller, and of units.

use core::{sync::atomic::Ordering, time::Duration};

use nvme_core::{
    Micros,
    control::{Failure, Outcome, Request},
};
use storport::{
    Context,
    context::{Exclusion, Irql, StartIo, WorkItem},
    srb::{Completion, Function, Srb, SrbStatus, Started},
};

use crate::{
    FerroNvme,
    adapter::{Adapter, State},
    control, io,
};

/// Longest time in which CSTS.RDY has to follow CC.EN at a bus reset: well below the watchdog's 0.5 s.
const STOP_BUDGET: Micros = Micros::from_millis(350);
/// How long the port driver holds requests back at most while the controller comes up again.
const PAUSE: Duration = Duration::from_mins(1);
/// How long the commands of a unit may take to come back when the unit is reset.
const UNIT_BUDGET: Duration = Duration::from_secs(5);
/// Between two looks at a unit's commands.
const UNIT_POLL: Duration = Duration::from_millis(5);
/// Every namespace: no namespace has this identifier.
const ALL_UNITS: u32 = 0;

/// The controller could not be stopped or does not come up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ResetFailed;

/// Resets the controller: when this returns, every request has been completed, and the controller is on its way up.
///
/// Clearing CC.EN and seeing CSTS.RDY follow is the proof that nothing is transferred any more; without it no request
/// is given back, and the adapter is failed.
pub(crate) fn bus<'dev>(
    cx: &mut StartIo<'dev, FerroNvme>,
    adapter: &'dev Adapter<'dev>,
) -> Result<(), ResetFailed> {
    if matches!(adapter.state(), State::Down | State::Stopped) {
        return Ok(());
    }
    adapter.set_state(State::Recovering);
    adapter.io.table.close();
    match control::run(cx, adapter, Request::Stop, STOP_BUDGET, SrbStatus::BusReset) {
        Ok(Outcome::Stopped(_)) => {}
        Err(Failure::Gone) => {
            gone(cx, adapter);
            return Err(ResetFailed);
        }
        Ok(_) | Err(_) => {
            adapter.set_state(State::Failed);
            return Err(ResetFailed);
        }
    }
    let _ = cx.pause(PAUSE);
    adapter.paused.store(1, Ordering::Release);
    if !control::recover(cx, adapter) {
        adapter.set_state(State::Failed);
    }
    resume(cx, adapter);
    Ok(())
}

/// The controller has left the bus: nothing can be transferred, and nothing will be.
fn gone<'dev, I: Irql, X: Exclusion>(cx: &Context<'dev, FerroNvme, I, X>, adapter: &'dev Adapter<'dev>) {
    adapter.set_state(State::Failed);
    let proof = control::enter(cx, adapter).and_then(|path| path.gone_proof());
    if let Some(proof) = proof {
        io::reclaim(cx, adapter, proof, SrbStatus::NoDevice);
    }
}

/// Ends the pause of a reset, once the controller is up or given up.
pub(crate) fn resume<'dev, I: storport::context::AtMostDispatch, X: Exclusion>(
    cx: &Context<'dev, FerroNvme, I, X>,
    adapter: &'dev Adapter<'dev>,
) {
    if adapter.state() != State::Recovering && adapter.paused.swap(0, Ordering::AcqRel) != 0 {
        let _ = cx.resume();
    }
}

/// A reset that the miniport itself finds necessary.
pub(crate) fn request<'dev>(cx: &mut WorkItem<'dev, FerroNvme>, adapter: &'dev Adapter<'dev>) {
    let _ = cx.with_start_io_lock(|cx| bus(cx, adapter));
}

/// `RESET_LOGICAL_UNIT` and `RESET_DEVICE`: the unit's commands are aborted, and the request is completed when the last
/// is back. If they do not come back in time it fails, and the port driver escalates.
pub(crate) fn unit<'dev>(
    cx: &mut StartIo<'dev, FerroNvme>,
    adapter: &'dev Adapter<'dev>,
    srb: Srb<'dev, FerroNvme>,
) -> Started {
    let namespace = if srb.function() == Function::ResetDevice {
        ALL_UNITS
    } else {
        let address = srb.address();
        match address.and_then(|address| cx.start_io_state().units.get(address)) {
            Some(namespace) => namespace.id().0,
            None => return srb.complete(cx, Completion::Status(SrbStatus::NoDevice)),
        }
    };
    if !adapter.io.is_any_in_flight(namespace) {
        return srb.complete(cx, Completion::Success { transferred: 0 });
    }
    let Some(timer) = adapter.reset_timer.get() else {
        return srb.complete(cx, Completion::Status(SrbStatus::Error));
    };
    adapter.unit_reset_namespace.store(namespace, Ordering::Relaxed);
    let deadline = cx.now().saturating_add(UNIT_BUDGET).as_micros();
    adapter
        .unit_reset_deadline
        .store(u64::try_from(deadline).unwrap_or(u64::MAX), Ordering::Relaxed);
    let started = match adapter.unit_reset.park(0, srb) {
        Ok(started) => started,
        // One unit reset at a time; the port driver escalates.
        Err(srb) => return srb.complete(cx, Completion::Status(SrbStatus::Error)),
    };
    control::abort(cx, adapter, namespace);
    if cx.start_timer(timer, UNIT_POLL).is_err()
        && let Some(srb) = adapter.unit_reset.take(cx, 0)
    {
        let _ = srb.complete(cx, Completion::Status(SrbStatus::Error));
    }
    started
}

/// The reset timer: is the unit's last command back?
pub(crate) fn watch_unit<'dev>(cx: &StartIo<'dev, FerroNvme>, adapter: &'dev Adapter<'dev>) {
    let namespace = adapter.unit_reset_namespace.load(Ordering::Relaxed);
    let deadline = Duration::from_micros(adapter.unit_reset_deadline.load(Ordering::Relaxed));
    let outcome = if !adapter.io.is_any_in_flight(namespace) {
        Completion::Success { transferred: 0 }
    } else if cx.now() >= deadline {
        Completion::Status(SrbStatus::Error)
    } else if adapter
        .reset_timer
        .get()
        .is_some_and(|timer| cx.start_timer(timer, UNIT_POLL).is_ok())
    {
        return;
    } else {
        Completion::Status(SrbStatus::Error)
    };
    if let Some(srb) = adapter.unit_reset.take(cx, 0) {
        let _ = srb.complete(cx, outcome);
    }
}

/// `ScsiStopAdapter` and removal: shuts the controller down as far as it answers within the time that a callback has.
pub(crate) fn stop<'dev, I: Irql, X: Exclusion>(
    cx: &Context<'dev, FerroNvme, I, X>,
    adapter: &'dev Adapter<'dev>,
) {
    const SHUTDOWN_BUDGET: Micros = Micros::from_millis(250);
    const DISABLE_BUDGET: Micros = Micros::from_millis(150);
    if adapter.state() == State::Stopped {
        return;
    }
    adapter.set_state(State::Stopped);
    adapter.io.table.close();
    let shutdown = Request::Shutdown { delete_queues: false };
    let _ = control::run(cx, adapter, shutdown, SHUTDOWN_BUDGET, SrbStatus::NoDevice);
    if control::run(cx, adapter, Request::Stop, DISABLE_BUDGET, SrbStatus::NoDevice) == Err(Failure::Gone) {
        gone(cx, adapter);
    }
}
