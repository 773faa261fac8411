//! The machine's state, and the few ways in which it asks for something.

use nvme::log::LogPageId;
use nvme::{
    Capabilities, Configuration, ControllerStatus, DataPointer, NamespaceId, Register, Status,
    SubmissionEntry, Version,
};
use zerocopy::FromZeros;

use super::config::{ConfigError, ControlConfig};
use super::{Action, ControllerInfo, Failure, Outcome, Phase};
use crate::{DmaStopped, Epoch, Instant, Micros};

/// Longest time for one admin command, within the request's budget.
const ADMIN_TIMEOUT: Micros = Micros::from_secs(10);
/// Polls of a register begin this far apart and double up to [`POLL_MAX`].
const POLL_MIN: Micros = Micros(50);
const POLL_MAX: Micros = Micros::from_millis(10);
/// Steps of one wait after which the clock must be standing still.
const STEP_LIMIT: u32 = 1 << 20;

/// What the machine is at. Each state but `Idle` awaits exactly one kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromZeros)]
#[repr(u8)]
pub(super) enum State {
    Idle = 0,
    ReadCapabilities,
    ReadVersion,
    ReadTimeouts,
    ReadStatus,
    ReadConfiguration,
    AwaitReadyToStop,
    Disable,
    AwaitStopped,
    ResetSubsystem,
    Reclaim,
    PrepareAdminQueue,
    WriteAttributes,
    WriteSubmissionQueue,
    WriteCompletionQueue,
    Enable,
    AwaitReady,
    IdentifyController,
    WriteCache,
    Events,
    NumberOfQueues,
    ShadowDoorbells,
    PrepareQueuePair,
    CreateCompletionQueue,
    CreateSubmissionQueue,
    DeleteOrphan,
    ChangedNamespaces,
    ActiveNamespaces,
    IdentifyNamespace,
    NamespaceDescriptors,
    ReadLog,
    DeleteSubmissionQueue,
    DeleteCompletionQueue,
    NotifyShutdown,
    AwaitShutdown,
    DiagnoseTimeout,
}

/// The kind of event that the present state awaits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromZeros)]
#[repr(u8)]
pub(super) enum Awaits {
    Nothing = 0,
    Value,
    Performed,
    Completion,
    Tick,
}

/// The request under way, flat, so that the machine may begin as zeroes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromZeros)]
#[repr(u8)]
pub(super) enum Kind {
    Identify = 0,
    Queues,
    Restart,
    Stop,
    Shutdown,
    Rescan,
    ReadLog,
}

/// The stepped machine. All zeroes is an idle machine that was not configured; it has no drop glue.
///
/// One caller at a time steps it; it is well under 1 KiB.
#[derive(Debug, FromZeros)]
#[repr(C)]
pub struct Control {
    pub(super) config: ControlConfig,
    pub(super) info: ControllerInfo,
    pub(super) capabilities: Capabilities,
    pub(super) now: Instant,
    /// End of the request's budget.
    pub(super) budget_end: Instant,
    /// End of the present wait for a register or a completion.
    pub(super) deadline: Instant,
    pub(super) wait_until: Instant,
    poll: Micros,
    /// CRTO.CRWMT if there is one, else 0.
    pub(super) ready_micros: Micros,
    pub(super) version: Version,
    /// The last values read.
    pub(super) configuration: u32,
    pub(super) status: u32,
    pub(super) epoch: Epoch,
    pub(super) tag: u32,
    pub(super) steps: u32,
    pub(super) namespace: NamespaceId,
    /// Queue pairs wanted, then granted.
    pub(super) pairs: u16,
    /// The queue pair in work, or how many exist.
    pub(super) index: u16,
    /// I/O queue pairs that exist.
    pub(super) created: u16,
    pub(super) log_bytes: u16,
    pub(super) log_page: LogPageId,
    pub(super) opcode: u8,
    pub(super) place: u8,
    pub(super) kind: Kind,
    pub(super) state: State,
    pub(super) awaits: Awaits,
    pub(super) phase: Phase,
    /// Whether a submitted admin command has not completed.
    pub(super) outstanding: bool,
    pub(super) configured: bool,
    pub(super) gone: bool,
    /// Whether an I/O queue may exist: then their number is settled until the controller is stopped.
    pub(super) queues_begun: bool,
    /// Delete queues before shutdown, or read the changed namespace list before a rescan.
    pub(super) option: bool,
    /// A controller that does not stop may yet be reset with its subsystem.
    pub(super) last_resort: bool,
}

impl Control {
    /// An idle machine, not configured.
    #[must_use]
    pub fn new() -> Self {
        Self::new_zeroed()
    }

    /// Tells the machine where the admin queue and the data page are. Abandons whatever is under way.
    ///
    /// # Errors
    /// See [`ConfigError`]; the machine is unchanged.
    pub fn configure(&mut self, config: ControlConfig) -> Result<(), ConfigError> {
        config.check()?;
        self.config = config;
        self.configured = true;
        self.idle();
        Ok(())
    }

    /// Set Features was sent by somebody else, and the volatile write cache is now enabled, or disabled.
    pub const fn set_write_cache(&mut self, enabled: bool) {
        self.info.write_cache_enabled = enabled;
    }

    /// What is known of the controller, from [`Outcome::Identified`] on; kept when it is stopped.
    #[must_use]
    pub const fn info(&self) -> &ControllerInfo {
        &self.info
    }

    /// How far the controller has been brought.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// The controller's present life.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whether a request is under way.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        !matches!(self.state, State::Idle)
    }

    /// Whether an admin command of this machine has not completed and may still write to the data page.
    #[must_use]
    pub const fn is_command_outstanding(&self) -> bool {
        self.outstanding
    }

    /// The proof that transfers have stopped, if the last register read was all ones: the device has left the bus.
    #[must_use]
    pub const fn gone_proof(&self) -> Option<DmaStopped> {
        if self.gone {
            DmaStopped::controller_gone(self.epoch, ControllerStatus::from_bits(u32::MAX))
        } else {
            None
        }
    }

    pub(super) fn read(&mut self, state: State, register: Register) -> Action {
        self.enter(state, Awaits::Value);
        Action::Read(register)
    }

    pub(super) fn write(&mut self, state: State, register: Register, value: u64) -> Action {
        self.enter(state, Awaits::Performed);
        Action::Write(register, value)
    }

    /// Asks for something that is answered with [`super::Event::Performed`].
    pub(super) fn perform(&mut self, state: State, action: Action) -> Action {
        self.enter(state, Awaits::Performed);
        action
    }

    pub(super) fn submit(&mut self, state: State, entry: SubmissionEntry, transfers: bool) -> Action {
        if self.is_budget_spent() {
            // A command without time to complete would only be left outstanding.
            return self.fail(Failure::BudgetSpent);
        }
        self.enter(state, Awaits::Completion);
        self.steps = 0;
        self.outstanding = true;
        self.opcode = entry.opcode();
        self.tag = self.tag.wrapping_add(1);
        let limit = match self.kind {
            // Deleting queues is a courtesy: half of what is left stays for the notification.
            Kind::Shutdown => ADMIN_TIMEOUT.min(self.half_of_budget()),
            _ => ADMIN_TIMEOUT,
        };
        self.deadline = self.within_budget(limit);
        Action::Submit {
            tag: self.tag,
            entry,
            transfers,
            deadline: self.deadline,
        }
    }

    /// Begins to poll CSTS for at most `limit`, at once.
    pub(super) fn begin_poll(&mut self, state: State, limit: Micros) -> Action {
        self.deadline = self.within_budget(limit);
        self.poll = POLL_MIN;
        self.steps = 0;
        self.read(state, Register::Status)
    }

    /// Polls again after a while, or `None` if the deadline has passed.
    pub(super) fn poll_again(&mut self) -> Option<Action> {
        if self.now >= self.deadline {
            return None;
        }
        self.steps = self.steps.wrapping_add(1);
        if self.steps > STEP_LIMIT {
            return Some(self.fail(Failure::ClockStopped));
        }
        self.wait_until = self.now.after(self.poll).min(self.deadline);
        self.poll = Micros(self.poll.0.saturating_mul(2)).min(POLL_MAX);
        self.awaits = Awaits::Tick;
        Some(Action::Wait {
            until: self.wait_until,
        })
    }

    /// A tick that came before its time.
    pub(super) fn early(&mut self, until: Instant) -> Action {
        self.steps = self.steps.wrapping_add(1);
        if self.steps > STEP_LIMIT {
            return self.fail(Failure::ClockStopped);
        }
        Action::Wait { until }
    }

    pub(super) fn within_budget(&self, limit: Micros) -> Instant {
        self.now.after(limit).min(self.budget_end)
    }

    pub(super) fn is_budget_spent(&self) -> bool {
        self.now >= self.budget_end
    }

    /// Half of the time that is left.
    pub(super) fn half_of_budget(&self) -> Micros {
        Micros(self.now.until(self.budget_end).0 / 2)
    }

    /// How long CSTS.RDY may take to follow CC.EN: CAP.TO, of which 0 still means up to one unit.
    pub(super) fn ready_timeout(&self) -> Micros {
        Micros(self.capabilities.timeout_micros().saturating_add(500_000)).max(self.ready_micros)
    }

    pub(super) const fn data(&self) -> DataPointer {
        DataPointer::page(self.config.data_page)
    }

    pub(super) const fn configuration(&self) -> Configuration {
        Configuration::from_bits(self.configuration)
    }

    /// The controller was seen to be disabled.
    pub(super) const fn stopped(&mut self) -> DmaStopped {
        self.outstanding = false;
        self.created = 0;
        self.queues_begun = false;
        self.phase = Phase::Down;
        DmaStopped::ready_cleared(self.epoch)
    }

    pub(super) const fn set_phase(&mut self, phase: Phase) {
        self.phase = phase;
    }

    pub(super) const fn refused(&mut self, status: Status) -> Action {
        self.fail(Failure::AdminFailed {
            opcode: self.opcode,
            status,
        })
    }

    pub(super) const fn done(&mut self, outcome: Outcome) -> Action {
        self.idle();
        Action::Done(outcome)
    }

    pub(super) const fn fail(&mut self, failure: Failure) -> Action {
        self.idle();
        Action::Failed(failure)
    }

    const fn idle(&mut self) {
        self.enter(State::Idle, Awaits::Nothing);
    }

    const fn enter(&mut self, state: State, awaits: Awaits) {
        self.state = state;
        self.awaits = awaits;
    }
}

impl Default for Control {
    fn default() -> Self {
        Self::new()
    }
}
