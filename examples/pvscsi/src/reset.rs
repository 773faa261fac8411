//! Start and stop, and the resets that the port driver escalates through: of a unit, of a target, of the bus.

use core::time::Duration;

use storport::{
    Context,
    context::{Exclusion, Irql, StartIo},
    srb::{Completion, Fresh, Function, Srb, SrbStatus, Started},
};

use crate::{
    Pvscsi,
    adapter::{Adapter, Scope},
    completion,
    memory::SLOT_COUNT,
    registers::{Hardware, Refused},
};

/// Between two looks at the completion ring.
const LOOK: Duration = Duration::from_micros(50);
/// Looks until requests that were reset must be back: 20 ms.
const LOOKS: u32 = 400;

/// Gives the adapter commands; nobody else does meanwhile.
fn commanding<'dev, R>(
    adapter: &'dev Adapter<'dev>,
    give: impl FnOnce(Hardware<'dev>) -> Result<R, Refused>,
) -> Result<R, Refused> {
    let _alone = adapter.commands.try_enter().ok_or(Refused)?;
    give(adapter.hardware.get().ok_or(Refused)?)
}

/// Resets the adapter, sets its rings up, and lets it interrupt. Whatever it had is forgotten.
pub(crate) fn start<'dev>(adapter: &'dev Adapter<'dev>) -> Result<(), Refused> {
    let memory = adapter.memory.get().ok_or(Refused)?;
    commanding(adapter, |hardware| {
        hardware.mask();
        hardware.reset_adapter()?;
        memory.state.0.zero();
        hardware.set_up_rings(&memory)?;
        // An adapter without a message ring tells nothing of disks that come and go; all else works.
        let _ = hardware.set_up_messages(&memory);
        hardware.unmask();
        Ok(())
    })?;
    adapter.set_running(true);
    Ok(())
}

/// Resets the adapter for good, and completes what it had. A restart may follow.
pub(crate) fn stop<'dev, I: Irql, X: Exclusion>(
    cx: &Context<'dev, Pvscsi, I, X>,
    adapter: &'dev Adapter<'dev>,
) {
    adapter.set_running(false);
    let stopped = commanding(adapter, |hardware| {
        hardware.mask();
        hardware.reset_adapter()
    });
    // An adapter that is gone transfers nothing either.
    if stopped.is_ok() || is_gone(adapter) {
        complete_all(cx, adapter, SrbStatus::NoDevice);
    }
}

/// Completes whatever is in flight: the adapter has forgotten it.
fn complete_all<'dev, I: Irql, X: Exclusion>(
    cx: &Context<'dev, Pvscsi, I, X>,
    adapter: &'dev Adapter<'dev>,
    status: SrbStatus,
) {
    for slot in 0..SLOT_COUNT {
        if let Some(srb) = adapter.srbs.take(cx, slot) {
            srb.complete(cx, Completion::Status(status));
        }
    }
}

/// Resets the bus. When this succeeds, every request has been completed.
///
/// The units are reset first; an adapter that does not give their requests back in time is reset itself.
pub(crate) fn bus<'dev>(cx: &mut StartIo<'dev, Pvscsi>, adapter: &'dev Adapter<'dev>) -> Result<(), Refused> {
    if !adapter.is_running() {
        return Ok(());
    }
    let reset = commanding(adapter, |hardware| {
        hardware.kick(false);
        hardware.reset_bus()
    });
    if reset.is_ok() && is_back(cx, adapter, Scope::All) {
        return Ok(());
    }
    adapter.set_running(false);
    let started = start(adapter);
    let status = match started {
        Ok(()) => SrbStatus::BusReset,
        Err(Refused) if is_gone(adapter) => SrbStatus::NoDevice,
        // It may still transfer: nothing is given back.
        Err(Refused) => return Err(Refused),
    };
    cx.start_io_state().clear();
    complete_all(cx, adapter, status);
    started
}

/// `RESET_LOGICAL_UNIT` and `RESET_DEVICE`: the commands in question are aborted, the unit is reset, and the request
/// is completed when the last command is back. If one does not come back the port driver goes on to the bus.
pub(crate) fn unit<'dev, 'srb>(
    cx: &mut StartIo<'dev, Pvscsi>,
    adapter: &'dev Adapter<'dev>,
    srb: Srb<'dev, Pvscsi, Fresh<'srb>>,
) -> Started<'srb> {
    let Some(unit) = srb.address() else {
        return srb.complete(cx, Completion::Status(SrbStatus::InvalidRequest));
    };
    let scope = if srb.function() == Function::ResetDevice {
        Scope::Target(unit.target)
    } else {
        Scope::Unit {
            target: unit.target,
            lun: unit.lun,
        }
    };
    let slots = cx.start_io_state();
    let reset = commanding(adapter, |hardware| {
        // Requests that wait for more of their kind are taken up first.
        hardware.kick(false);
        for (context, target) in slots.in_flight(scope) {
            hardware.abort(context, target)?;
        }
        hardware.reset_unit(unit.target, unit.lun)
    });
    let done = reset.is_ok() && is_back(cx, adapter, scope);
    let completion = if done {
        Completion::Success { transferred: 0 }
    } else {
        Completion::Status(SrbStatus::Error)
    };
    srb.complete(cx, completion)
}

/// Waits until no request within `scope` is in flight; false if that takes too long.
fn is_back<'dev>(cx: &mut StartIo<'dev, Pvscsi>, adapter: &'dev Adapter<'dev>, scope: Scope) -> bool {
    for _ in 0..LOOKS {
        completion::reap(cx, adapter);
        if cx.start_io_state().in_flight(scope).next().is_none() {
            return true;
        }
        cx.stall(LOOK);
    }
    false
}

/// Whether the adapter has left the bus.
fn is_gone(adapter: &Adapter<'_>) -> bool {
    adapter.hardware.get().is_none_or(Hardware::is_gone)
}
