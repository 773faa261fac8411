//! Stop and restart: the adapter is brought to rest, then `ScsiStopAdapter`; `ScsiRestartAdapter` or another start.
//!
//! Before a stop the port driver waits until the miniport has nothing any more and sends FLUSH to one that caches data; what
//! arrives meanwhile and afterwards waits in its queues and goes on after the restart.
//!
//! Source: Microsoft Learn, `SCSI_ADAPTER_CONTROL_TYPE` (`ScsiStopAdapter`, `ScsiRestartAdapter`, `ScsiSetBootConfig`,
//! `ScsiSetRunningConfig`).

use std::{sync::atomic::Ordering, time::Duration};

use super::{
    adapter::Phase,
    control::Answer,
    error::StartError,
    lab::Lab,
    request::{Address, SrbFunction},
    rules,
};
use crate::abi::{control::adapter_control, srb::status};

/// What requests get before the port driver stops waiting for them: longer than a class driver's time-out and the resets after
/// it.
const REST: Duration = if cfg!(test) {
    Duration::from_secs(4)
} else {
    Duration::from_mins(2)
};

impl Lab {
    /// Stops the adapter (`ScsiStopAdapter`).
    ///
    /// # Errors
    /// If the miniport refuses, or the adapter does not run.
    pub fn stop(&self) -> Result<(), StartError> {
        self.rest()?;
        self.flush_adapter();
        let stopped = self.control(adapter_control::STOP_ADAPTER, &[]);
        self.machine.adapter.enter(Phase::Stopped);
        // The device is at rest: what it wrote to memory that was freed shows now, not at the removal only.
        self.machine.judge_memory(true);
        if stopped? == Answer::Done {
            Ok(())
        } else {
            Err(StartError::AdapterControl("ScsiStopAdapter"))
        }
    }

    /// Restarts a stopped adapter: `ScsiRestartAdapter`, or `FindAdapter` and Initialize once more on the same
    /// extension for a miniport without it.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn restart(&self) -> Result<(), StartError> {
        self.require(Phase::Stopped, "not stopped")?;
        if !self
            .machine
            .setup()
            .supports_adapter_control(adapter_control::RESTART_ADAPTER)
        {
            return self.reinitialize();
        }
        self.restart_adapter()?;
        self.run();
        Ok(())
    }

    /// Finds a stopped adapter again: `FindAdapter` and Initialize once more on the extension as it is, which Storport does
    /// to a miniport without `ScsiRestartAdapter`, or whose resources have changed.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn find_again(&self) -> Result<(), StartError> {
        self.require(Phase::Stopped, "not stopped")?;
        self.machine.disconnect();
        let result = self.bring_up();
        if result.is_err() {
            self.machine.disconnect();
            self.machine.adapter.enter(Phase::Stopped);
        }
        result
    }

    /// Gives up an adapter that did not start again, as Windows does with a device whose start fails: what waits for it ends
    /// with `SRB_STATUS_NO_HBA`, and so does what still comes. Its removal is what is left to do.
    ///
    /// An adapter that runs, or has gone, is left alone.
    pub fn give_up(&self) {
        if matches!(self.machine.phase(), Phase::Stopped | Phase::PoweredDown) {
            self.machine.adapter.enter(Phase::Removing);
            self.fail_waiting();
        }
    }

    /// As [`Self::find_again`], at DISPATCH_LEVEL: what a miniport without `ScsiRestartAdapter` gets ([D] `HW_FIND_ADAPTER`).
    pub(super) fn reinitialize(&self) -> Result<(), StartError> {
        self.machine.finds_raised.store(true, Ordering::Release);
        let result = self.find_again();
        self.machine.finds_raised.store(false, Ordering::Release);
        result
    }

    /// `ScsiSetRunningConfig`, for a miniport that supports it, and `ScsiRestartAdapter`.
    pub(super) fn restart_adapter(&self) -> Result<(), StartError> {
        self.demand(adapter_control::SET_RUNNING_CONFIG, "ScsiSetRunningConfig", &[])?;
        self.machine.connect()?;
        if self.control(adapter_control::RESTART_ADAPTER, &[])? == Answer::Done {
            Ok(())
        } else {
            Err(StartError::AdapterControl("ScsiRestartAdapter"))
        }
    }

    /// The adapter takes requests again.
    pub(super) fn run(&self) {
        self.machine.adapter.enter(Phase::Running);
        self.machine.watch();
        self.machine.pump();
    }

    /// The adapter is in this phase, or the error that says otherwise.
    pub(super) fn require(&self, phase: Phase, otherwise: &'static str) -> Result<(), StartError> {
        if self.machine.phase() == phase {
            Ok(())
        } else {
            Err(StartError::Phase(otherwise))
        }
    }

    /// Brings a running adapter to rest: it is given nothing new, and what it has comes back.
    pub(super) fn rest(&self) -> Result<(), StartError> {
        self.require(Phase::Running, "not running")?;
        let machine = &self.machine;
        machine.adapter.enter(Phase::Quiescing);
        // What the port driver stops it does not reset meanwhile: a reset that has begun ends first, and another waits.
        let at_rest = || {
            machine.units.lock().outstanding() == 0
                && machine.starting_units.load(Ordering::Acquire) == 0
                && machine.requests.outstanding(|_| true).is_empty()
                && machine.adapter.forbid_resets()
        };
        if machine
            .engine
            .wait(REST, &mut || at_rest() || machine.journal.is_down())
        {
            return if machine.journal.is_down() {
                Err(machine.down())
            } else {
                Ok(())
            };
        }
        for (_, request) in machine.requests.outstanding(|_| true) {
            machine.violate(&rules::NOT_QUIET, || request.describe());
        }
        self.run();
        Err(StartError::NotAtRest)
    }

    /// FLUSH, to a miniport that caches data.
    pub(super) fn flush_adapter(&self) {
        if self.machine.setup().configuration.caches_data == 0 {
            return;
        }
        let outcome = self.bypassing(SrbFunction::Flush, Address::default());
        if outcome.srb_status != status::SUCCESS && !self.machine.journal.is_down() {
            // The device may be the cause; what was lost by it shows in the data.
            let text = format!(
                "the FLUSH before the stop ended with SRB status {:#04x}",
                outcome.srb_status
            );
            self.machine.journal.event(0, text);
        }
    }

    /// Calls an adapter control where this life makes such calls.
    pub(super) fn control(&self, kind: u32, parameters: &[u8]) -> Result<Answer, StartError> {
        let parameters = parameters.to_vec();
        if self.machine.raised_control(kind) {
            self.on_first_processor("HwStorAdapterControl", move |machine| {
                machine.adapter_control(kind, &parameters)
            })
        } else {
            self.passively("HwStorAdapterControl", move |machine| {
                machine.adapter_control(kind, &parameters)
            })
        }
    }

    /// Calls an adapter control that has to succeed where it is supported.
    pub(super) fn demand(
        &self,
        kind: u32,
        name: &'static str,
        parameters: &[u8],
    ) -> Result<Answer, StartError> {
        let answer = self.control(kind, parameters)?;
        if answer == Answer::Failed {
            self.machine
                .violate(&rules::POWER_REFUSED, || format!("{name} failed"));
        }
        Ok(answer)
    }
}
