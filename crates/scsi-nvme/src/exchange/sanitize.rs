//! SANITIZE (SBC-3) by Sanitize or Format NVM, and what REQUEST SENSE tells of it.
//!
//! Sanitize ends when the operation has begun. Without IMMED, SANITIZE waits: the exchange asks the Sanitize Status log how the
//! operation stands, from time to time, for as long as it takes.

use nvme::log::{LogPageId, SanitizeState};
use nvme::{DataPointer, NamespaceId, Status, SubmissionEntry, admin, device};
use scsi::cdb::{self, RequestSense, SanitizeAction};
use scsi::sense::{AdditionalSense, Sense, SenseKey};

use super::{Area, Command, Data, Exchange, Kind, Next};
use crate::data_in::Answer;
use crate::request::{Request, Translation};
use crate::status::outcome;
use crate::unit::{Controller, Eraser, Namespace};

const IN_PROGRESS: Sense = Sense::new(
    SenseKey::NotReady,
    AdditionalSense::NOT_READY_SANITIZE_IN_PROGRESS,
);
const FAILED: Sense = Sense::new(SenseKey::MediumError, AdditionalSense::SANITIZE_COMMAND_FAILED);

/// SANITIZE under way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Sanitize {
    entry: SubmissionEntry,
    step: Step,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    /// With the end of the command all has ended that is waited for.
    Last,
    /// When the command has ended, the log is asked.
    Begin,
    /// The log is being asked.
    Ask,
    /// Later the log is asked again.
    Wait,
}

impl Exchange {
    /// SANITIZE with a service action that the unit has.
    pub(crate) fn sanitize(
        request: &Request<'_>,
        controller: &Controller,
        namespace: &Namespace,
        command: cdb::Sanitize,
    ) -> Translation {
        if namespace.write_protected {
            return Translation::check_condition(Sense::WRITE_PROTECTED);
        }
        let features = controller.features;
        let (eraser, action, erase) = match command.action {
            SanitizeAction::BlockErase => (
                features.block_erase,
                device::SanitizeAction::BlockErase,
                device::SecureErase::UserData,
            ),
            SanitizeAction::CryptographicErase => (
                features.crypto_erase,
                device::SanitizeAction::CryptoErase,
                device::SecureErase::Cryptographic,
            ),
            SanitizeAction::ExitFailureMode => (
                Eraser::Sanitize,
                device::SanitizeAction::ExitFailureMode,
                device::SecureErase::UserData,
            ),
        };
        // Format NVM ends when it has erased: IMMED asks for an earlier status, which is not promised.
        let (entry, waits) = match eraser {
            Eraser::Format => (device::format(namespace.id(), namespace.formatted, erase), false),
            Eraser::Sanitize | Eraser::None => {
                let entry = device::sanitize(action, command.unrestricted_exit);
                (entry, !command.immediate)
            }
        };
        let step = if waits { Step::Begin } else { Step::Last };
        Translation::Exchange(Self::new(
            request,
            namespace,
            Kind::Sanitize(Sanitize { entry, step }),
        ))
    }

    /// REQUEST SENSE of a unit that may be being sanitized.
    pub(crate) fn sense_of_sanitize(
        request: &Request<'_>,
        namespace: &Namespace,
        command: RequestSense,
    ) -> Translation {
        Self::with_data_in(request, namespace, Kind::SanitizeSense(SanitizeSense(command)))
    }
}

/// Asks for the log, as much of it as is looked at.
fn ask() -> Next {
    const DWORDS: u32 = 5;
    let page = LogPageId::SANITIZE_STATUS;
    let entry = admin::get_log_page(page, NamespaceId::ALL, DWORDS, false, DataPointer::NONE);
    Next::Submit(Command::admin(entry, Data::Area, DWORDS.saturating_mul(4)))
}

fn state(area: &dyn Area) -> SanitizeState {
    let mut log = [0; SanitizeState::SIZE];
    area.read(0, &mut log);
    SanitizeState::new(log)
}

impl Sanitize {
    pub(super) const fn begin(&self) -> Next {
        Next::Submit(Command::admin(self.entry, Data::None, 0))
    }

    pub(super) fn next(&mut self, status: Status, area: &dyn Area) -> Next {
        if !status.is_success() {
            return Next::Fail(outcome(status));
        }
        match self.step {
            Step::Last => Next::Done { transferred: 0 },
            Step::Begin | Step::Wait => {
                self.step = Step::Ask;
                ask()
            }
            Step::Ask => match state(area) {
                SanitizeState::Done => Next::Done { transferred: 0 },
                SanitizeState::Failed => Next::check_condition(FAILED),
                SanitizeState::InProgress { .. } => {
                    self.step = Step::Wait;
                    Next::Later
                }
            },
        }
    }
}

/// REQUEST SENSE that waits for the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct SanitizeSense(RequestSense);

impl SanitizeSense {
    pub(super) fn begin() -> Next {
        ask()
    }

    pub(super) fn allocation_length(self) -> u32 {
        u32::from(self.0.allocation_length)
    }

    /// The sense data; the log lies in the area.
    pub(super) fn write(self, area: &dyn Area, answer: &mut Answer<'_>) {
        let (sense, specific) = match state(area) {
            SanitizeState::Done => (Sense::NONE, None),
            SanitizeState::Failed => (FAILED, None),
            SanitizeState::InProgress { progress } => (IN_PROGRESS, Some(Sense::progress(progress))),
        };
        if !self.0.descriptor_format {
            answer.put(&sense.to_fixed_with(specific.unwrap_or_default()));
        } else if let Some(specific) = specific {
            answer.put(&sense.to_descriptor_with(specific));
        } else {
            answer.put(&sense.to_descriptor());
        }
    }
}
