//! Stopping: clearing CC.EN and seeing CSTS.RDY follow (Base 2.0, 3.7.2), and the shutdown notification (3.6.1).

use nvme::admin::{delete_completion_queue, delete_submission_queue};
use nvme::{ControllerStatus, Register, ShutdownNotification, ShutdownStatus};

use super::machine::{Control, Kind, State};
use super::{Action, Failure, Outcome, Phase};
use crate::{Epoch, Micros};

/// Least time that shutdown processing is given; RTD3E is only a typical value.
const SHUTDOWN_MIN: Micros = Micros::from_secs(5);

/// What NSSR is written with: "NVMe" (Base 2.0, 3.1.3.8).
const SUBSYSTEM_RESET: u64 = 0x4E56_4D65;

impl Control {
    /// CC and CSTS were read.
    pub(super) fn begin_stop(&mut self) -> Action {
        let status = ControllerStatus::from_bits(self.status);
        if !self.configuration().en() {
            return self.disabled();
        }
        if status.rdy() || status.cfs() {
            return self.disable();
        }
        // Clearing EN before RDY is set is undefined (Base 2.0, section 3.1.3.5), so a start under way is given half of
        // the time; a controller that hangs in it must be stopped all the same.
        let limit = self.ready_timeout().min(self.half_of_budget());
        self.begin_poll(State::AwaitReadyToStop, limit)
    }

    pub(super) fn poll_ready_to_stop(&mut self, status: ControllerStatus) -> Action {
        if status.rdy() || status.cfs() {
            return self.disable();
        }
        match self.poll_again() {
            Some(action) => action,
            None => self.disable(),
        }
    }

    fn disable(&mut self) -> Action {
        let configuration = self
            .configuration()
            .with_en(false)
            .with_shn(ShutdownNotification::None);
        self.set_phase(Phase::Down);
        self.write(
            State::Disable,
            Register::Configuration,
            u64::from(configuration.into_bits()),
        )
    }

    pub(super) fn disabled(&mut self) -> Action {
        let mut limit = self.ready_timeout();
        if self.may_reset_subsystem() {
            // What is left is for that.
            limit = limit.min(self.half_of_budget());
        }
        self.begin_poll(State::AwaitStopped, limit)
    }

    fn may_reset_subsystem(&self) -> bool {
        self.last_resort && self.capabilities.nssrs() && self.epoch != Epoch::NONE
    }

    /// NSSR was written. Its controllers come out of it disabled (Base 2.0, 3.7.1 and 3.7.2): CSTS.RDY is 0, or reads as all
    /// ones while the link is down, which is a proof as well.
    pub(super) fn subsystem_reset(&mut self) -> Action {
        self.begin_poll(State::AwaitStopped, self.ready_timeout())
    }

    pub(super) fn poll_stopped(&mut self, status: ControllerStatus) -> Action {
        if status.rdy() {
            return match self.poll_again() {
                Some(action) => action,
                None if self.may_reset_subsystem() => {
                    self.last_resort = false;
                    self.write(State::ResetSubsystem, Register::SubsystemReset, SUBSYSTEM_RESET)
                }
                None => self.fail(Failure::StopTimeout),
            };
        }
        let proof = self.stopped();
        if matches!(self.kind, Kind::Stop) {
            return self.done(Outcome::Stopped(proof));
        }
        if self.epoch == Epoch::NONE {
            // What the firmware had outstanding was never a request of ours.
            return self.start();
        }
        self.perform(State::Reclaim, Action::Reclaim(proof))
    }

    /// CC and CSTS were read.
    pub(super) fn begin_shutdown(&mut self) -> Action {
        if !self.configuration().en() {
            self.set_phase(Phase::Down);
            return self.done(Outcome::ShutDown);
        }
        if ControllerStatus::from_bits(self.status).cfs() {
            return self.fail(Failure::FatalStatus);
        }
        self.index = self.created;
        if self.option && self.index != 0 && !self.is_budget_spent() {
            let entry = delete_submission_queue(self.index);
            return self.submit(State::DeleteSubmissionQueue, entry, false);
        }
        self.notify_shutdown()
    }

    /// A queue was deleted, or not: the notification that follows ends its use either way.
    pub(super) fn queue_deleted(&mut self) -> Action {
        self.index = self.index.saturating_sub(1);
        if self.is_budget_spent() {
            return self.notify_shutdown();
        }
        match (self.state, self.index) {
            (State::DeleteSubmissionQueue, 0) => {
                self.index = self.created;
                self.submit(
                    State::DeleteCompletionQueue,
                    delete_completion_queue(self.index),
                    false,
                )
            }
            (State::DeleteSubmissionQueue, id) => {
                self.submit(State::DeleteSubmissionQueue, delete_submission_queue(id), false)
            }
            (_, 0) => self.notify_shutdown(),
            (_, id) => self.submit(State::DeleteCompletionQueue, delete_completion_queue(id), false),
        }
    }

    pub(super) fn notify_shutdown(&mut self) -> Action {
        let configuration = self.configuration().with_shn(ShutdownNotification::Normal);
        self.set_phase(Phase::Down);
        self.created = 0;
        self.write(
            State::NotifyShutdown,
            Register::Configuration,
            u64::from(configuration.into_bits()),
        )
    }

    pub(super) fn shutdown_notified(&mut self) -> Action {
        let limit = Micros(u64::from(self.info.rtd3_entry_micros)).max(SHUTDOWN_MIN);
        self.begin_poll(State::AwaitShutdown, limit)
    }

    pub(super) fn poll_shutdown(&mut self, status: ControllerStatus) -> Action {
        if status.shst() == ShutdownStatus::Complete {
            return self.done(Outcome::ShutDown);
        }
        if status.cfs() {
            return self.fail(Failure::FatalStatus);
        }
        match self.poll_again() {
            Some(action) => action,
            None => self.fail(Failure::ShutdownTimeout),
        }
    }
}
