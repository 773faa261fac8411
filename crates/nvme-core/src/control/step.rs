//! What each event means in each state.

use nvme::admin::get_log_page;
use nvme::identify::IDENTIFY_SIZE;
use nvme::{Capabilities, ControllerStatus, ReadyTimeouts, Register, Status, Version};

use super::machine::{Awaits, Control, Kind, State};
use super::{Action, Event, Failure, Outcome, Phase, Request, Tables};
use crate::{Instant, Micros};

impl Control {
    /// Takes what happened and says what to do next. `now` does not go back.
    ///
    /// Steps are short and bounded; at any IRQL at which the caller may run.
    pub fn step(&mut self, event: Event<'_>, now: Instant, tables: &mut Tables<'_>) -> Action {
        self.now = now;
        match (event, self.awaits) {
            (Event::Begin { request, budget }, _) => self.begin(request, budget, tables),
            (Event::Value(value), Awaits::Value) => self.value(value),
            (Event::Performed, Awaits::Performed) => self.performed(tables),
            (
                Event::Completion {
                    tag,
                    status,
                    result,
                    data,
                },
                Awaits::Completion,
            ) if tag == self.tag => {
                self.outstanding = false;
                self.completed(status, result, data, tables)
            }
            // The command of a request that has failed or was abandoned.
            (Event::Completion { tag, .. }, _) if tag == self.tag => {
                self.outstanding = false;
                Action::None
            }
            (Event::Tick, Awaits::Completion) if now >= self.deadline => {
                self.read(State::DiagnoseTimeout, Register::Status)
            }
            (Event::Tick, Awaits::Completion) => self.early(self.deadline),
            (Event::Tick, Awaits::Tick) if now >= self.wait_until => self.read(self.state, Register::Status),
            (Event::Tick, Awaits::Tick) => self.early(self.wait_until),
            _ => Action::None,
        }
    }

    fn begin(&mut self, request: Request, budget: Micros, tables: &mut Tables<'_>) -> Action {
        let (kind, needs) = match request {
            Request::Identify => (Kind::Identify, None),
            Request::Restart { .. } => (Kind::Restart, None),
            Request::Stop | Request::StopForGood => (Kind::Stop, None),
            Request::Shutdown { .. } => (Kind::Shutdown, None),
            Request::Queues { .. } => (Kind::Queues, Some(Phase::Identified)),
            Request::Rescan { .. } => (Kind::Rescan, Some(Phase::Identified)),
            Request::ReadLog { .. } => (Kind::ReadLog, Some(Phase::Identified)),
        };
        if !self.configured {
            return self.fail(Failure::NotConfigured);
        }
        if let Some(least) = needs {
            // These do not stop the controller, so they must not disturb what is under way.
            if self.is_busy() {
                return Action::Failed(Failure::Busy);
            }
            if self.outstanding {
                return Action::Failed(Failure::CommandOutstanding);
            }
            let repeated = matches!(kind, Kind::Queues) && self.queues_begun;
            if self.phase < least || repeated {
                return Action::Failed(Failure::OutOfPhase);
            }
        }
        self.kind = kind;
        self.last_resort = matches!(request, Request::StopForGood | Request::Restart { .. });
        self.budget_end = self.now.after(budget);
        self.steps = 0;
        match request {
            Request::Identify | Request::Stop | Request::StopForGood => {
                self.read(State::ReadCapabilities, Register::Capabilities)
            }
            Request::Restart { pairs } => {
                self.pairs = pairs;
                self.read(State::ReadCapabilities, Register::Capabilities)
            }
            Request::Shutdown { delete_queues } => {
                // With a command outstanding the data page and the admin queue are in doubt.
                self.option = delete_queues && !self.outstanding;
                self.read(State::ReadCapabilities, Register::Capabilities)
            }
            Request::Queues { pairs } => {
                self.pairs = pairs;
                self.begin_queues(tables)
            }
            Request::Rescan { read_changed_list } => {
                self.option = read_changed_list;
                self.begin_scan(tables)
            }
            Request::ReadLog {
                page,
                namespace,
                bytes,
            } => {
                self.log_page = page;
                self.namespace = namespace;
                self.log_bytes = bytes;
                let dwords = u32::from(bytes).div_ceil(4).clamp(1, 1024);
                let entry = get_log_page(page, namespace, dwords, false, self.data());
                self.submit(State::ReadLog, entry, true)
            }
        }
    }

    fn value(&mut self, value: u64) -> Action {
        // The low half is the whole of a 32-bit register.
        #[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
        let low = value as u32;
        let absent = match self.state {
            State::ReadCapabilities => value == u64::MAX,
            // These may hold anything.
            State::ReadTimeouts => false,
            _ => low == u32::MAX,
        };
        if absent {
            self.gone = true;
            self.phase = Phase::Down;
            return self.fail(Failure::Gone);
        }
        self.gone = false;
        match self.state {
            State::ReadCapabilities => {
                self.capabilities = Capabilities::from_bits(value);
                self.ready_micros = Micros(0);
                match self.kind {
                    Kind::Stop | Kind::Shutdown => self.read(State::ReadStatus, Register::Status),
                    _ => self.read(State::ReadVersion, Register::Version),
                }
            }
            State::ReadVersion => {
                self.version = Version::from_bits(low);
                if self.capabilities.has_ready_timeouts() {
                    self.read(State::ReadTimeouts, Register::ReadyTimeouts)
                } else {
                    self.read(State::ReadStatus, Register::Status)
                }
            }
            State::ReadTimeouts => {
                self.ready_micros = Micros(ReadyTimeouts::from_bits(low).with_media_micros());
                self.read(State::ReadStatus, Register::Status)
            }
            State::ReadStatus => {
                self.status = low;
                self.read(State::ReadConfiguration, Register::Configuration)
            }
            State::ReadConfiguration => {
                self.configuration = low;
                match self.kind {
                    Kind::Shutdown => self.begin_shutdown(),
                    _ => self.begin_stop(),
                }
            }
            _ => self.polled(ControllerStatus::from_bits(low)),
        }
    }

    fn polled(&mut self, status: ControllerStatus) -> Action {
        match self.state {
            State::AwaitReadyToStop => self.poll_ready_to_stop(status),
            State::AwaitStopped => self.poll_stopped(status),
            State::AwaitReady => self.poll_ready(status),
            State::AwaitShutdown => self.poll_shutdown(status),
            State::DiagnoseTimeout => {
                if status.cfs() {
                    self.fail(Failure::FatalStatus)
                } else if matches!(self.kind, Kind::Shutdown) {
                    self.notify_shutdown()
                } else {
                    self.fail(Failure::AdminTimeout { opcode: self.opcode })
                }
            }
            _ => Action::None,
        }
    }

    fn performed(&mut self, tables: &Tables<'_>) -> Action {
        match self.state {
            State::Disable => self.disabled(),
            State::ResetSubsystem => self.subsystem_reset(),
            State::Reclaim => self.start(),
            State::PrepareAdminQueue
            | State::WriteAttributes
            | State::WriteSubmissionQueue
            | State::WriteCompletionQueue
            | State::Enable => self.started(),
            State::PrepareQueuePair => self.create_completion_queue(tables),
            State::NotifyShutdown => self.shutdown_notified(),
            _ => Action::None,
        }
    }

    fn completed(
        &mut self,
        status: Status,
        result: u32,
        data: Option<&[u8; IDENTIFY_SIZE]>,
        tables: &mut Tables<'_>,
    ) -> Action {
        match self.state {
            State::IdentifyController => self.controller_identified(status, data, tables),
            State::WriteCache
            | State::Events
            | State::NumberOfQueues
            | State::ShadowDoorbells
            | State::CreateCompletionQueue
            | State::CreateSubmissionQueue
            | State::DeleteOrphan => self.queues_completed(status, result, tables),
            State::ChangedNamespaces
            | State::ActiveNamespaces
            | State::IdentifyNamespace
            | State::NamespaceDescriptors => self.scan_completed(status, data, tables),
            State::ReadLog => {
                if !status.is_success() {
                    return self.refused(status);
                }
                if data.is_none() {
                    return self.fail(Failure::DataMissing);
                }
                let page = self.log_page;
                self.done(Outcome::LogRead { page })
            }
            State::DeleteSubmissionQueue | State::DeleteCompletionQueue => self.queue_deleted(),
            _ => Action::None,
        }
    }
}
