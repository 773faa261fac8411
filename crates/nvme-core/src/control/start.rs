//! Enabling the controller and Identify Controller (Base 2.0, section 3.5.1).

use nvme::admin::identify_controller;
use nvme::identify::{ControllerType, IDENTIFY_SIZE, IdentifyController};
use nvme::{AdminQueueAttributes, Configuration, ControllerStatus, Register, Status};

use super::config::ControlConfig;
use super::machine::{Control, Kind, State};
use super::{Action, ControllerInfo, Failure, Outcome, Phase, Tables};

impl Control {
    /// The controller is disabled, and whatever it had is reclaimed.
    pub(super) fn start(&mut self) -> Action {
        if let Err(failure) = self.check_capabilities() {
            return self.fail(failure);
        }
        self.epoch = self.epoch.next();
        let action = Action::PrepareAdminQueue {
            entries: self.config.admin_entries,
            epoch: self.epoch,
        };
        self.perform(State::PrepareAdminQueue, action)
    }

    fn check_capabilities(&self) -> Result<(), Failure> {
        let capabilities = self.capabilities;
        if capabilities.mpsmin() != 0 {
            return Err(Failure::PageSize {
                mpsmin: capabilities.mpsmin(),
            });
        }
        if !capabilities.supports_nvm_command_set() {
            return Err(Failure::CommandSet {
                css: capabilities.css(),
            });
        }
        if capabilities.max_queue_entries() < 2 {
            return Err(Failure::QueueTooSmall);
        }
        let needed = ControlConfig::registers_needed(capabilities, 0);
        if needed > self.config.register_bytes {
            return Err(Failure::RegistersTooShort { needed });
        }
        Ok(())
    }

    /// One of the steps up to CC.EN was performed.
    pub(super) fn started(&mut self) -> Action {
        match self.state {
            State::PrepareAdminQueue => {
                let zero_based = self.config.admin_entries.saturating_sub(1) & 0xFFF;
                let attributes = AdminQueueAttributes::new()
                    .with_asqs(zero_based)
                    .with_acqs(zero_based);
                let value = u64::from(attributes.into_bits());
                self.write(State::WriteAttributes, Register::AdminQueueAttributes, value)
            }
            State::WriteAttributes => {
                let address = self.config.admin_submission_queue;
                self.write(
                    State::WriteSubmissionQueue,
                    Register::AdminSubmissionQueue,
                    address,
                )
            }
            State::WriteSubmissionQueue => {
                let address = self.config.admin_completion_queue;
                self.write(
                    State::WriteCompletionQueue,
                    Register::AdminCompletionQueue,
                    address,
                )
            }
            State::WriteCompletionQueue => {
                // Pages of 4 KiB, NVM command set, round robin; entries of 64 and 16 bytes. RDY with media.
                let configuration = Configuration::new().with_en(true).with_iosqes(6).with_iocqes(4);
                self.configuration = configuration.into_bits();
                self.write(
                    State::Enable,
                    Register::Configuration,
                    u64::from(self.configuration),
                )
            }
            _ => self.begin_poll(State::AwaitReady, self.ready_timeout()),
        }
    }

    pub(super) fn poll_ready(&mut self, status: ControllerStatus) -> Action {
        if status.cfs() {
            return self.fail(Failure::FatalStatus);
        }
        if status.rdy() {
            let entry = identify_controller(self.data());
            return self.submit(State::IdentifyController, entry, true);
        }
        match self.poll_again() {
            Some(action) => action,
            None => self.fail(Failure::ReadyTimeout),
        }
    }

    pub(super) fn controller_identified(
        &mut self,
        status: Status,
        data: Option<&[u8; IDENTIFY_SIZE]>,
        tables: &mut Tables<'_>,
    ) -> Action {
        if !status.is_success() {
            return self.refused(status);
        }
        let Some(data) = data else {
            return self.fail(Failure::DataMissing);
        };
        let view = IdentifyController::new(data);
        match view.controller_type() {
            // Reserved values are left to what follows: no namespaces, no queues, no disk.
            ControllerType::NotReported | ControllerType::Io | ControllerType::Reserved(_) => {}
            other => return self.fail(Failure::ControllerType(other)),
        }
        if !view.supports_64_byte_submissions() || !view.supports_16_byte_completions() {
            return self.fail(Failure::EntrySizes);
        }
        self.info = ControllerInfo::new(self.capabilities, self.version, view);
        self.set_phase(Phase::Identified);
        match self.kind {
            Kind::Restart => self.begin_queues(tables),
            _ => self.done(Outcome::Identified),
        }
    }
}
