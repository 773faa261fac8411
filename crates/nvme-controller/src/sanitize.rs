//! Sanitize (Base 1.4, 5.24 and 8.15): an operation in the background that goes on over resets and power cuts, what is refused
//! meanwhile, and the log that tells of it. The cryptographic and the block erase are offered.

use std::time::Duration;

use crate::{
    command::{Answer, Command, admin, nvm},
    controller::Controller,
    log::Event,
    reservation::Access,
    status::Status,
};

const EXIT_FAILURE_MODE: u32 = 1;
const BLOCK_ERASE: u32 = 2;
const CRYPTO_ERASE: u32 = 4;
/// Allow Unrestricted Sanitize Exit.
const UNRESTRICTED_EXIT: u32 = 1 << 3;
/// SANICAP: crypto erase, block erase; the media are not modified beyond that.
pub(crate) const CAPABILITIES: u32 = 1 << 30 | 3;

/// SSTAT, bits 2:0 (figure 209).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Never = 0,
    Completed = 1,
    InProgress = 2,
    Failed = 3,
}

/// The last operation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sanitize {
    state: State,
    /// Dword 10 of its command.
    dword10: u32,
    began: Duration,
    ends: Duration,
}

impl Sanitize {
    /// When it ends, if it goes on.
    pub(crate) fn next_change(&self) -> Option<Duration> {
        (self.state == State::InProgress).then_some(self.ends)
    }

    /// Sanitize Status, page 81h (figure 209).
    pub(crate) fn page(&self, now: Duration, takes: Duration) -> Vec<u8> {
        let mut page = vec![0; 512];
        let progress = match self.state {
            State::InProgress => {
                let done = now.saturating_sub(self.began).as_micros() << 16;
                let whole = self.ends.saturating_sub(self.began).as_micros().max(1);
                u16::try_from(done / whole).unwrap_or(u16::MAX)
            }
            _ => u16::MAX,
        };
        page[0..2].copy_from_slice(&progress.to_le_bytes());
        page[2] = self.state as u8;
        page[4..8].copy_from_slice(&self.dword10.to_le_bytes());
        // Estimated seconds: overwrite, which is not offered, block erase, crypto erase.
        let seconds = u32::try_from(takes.as_secs() + 1).unwrap_or(u32::MAX);
        for (place, estimate) in page[8..20].chunks_exact_mut(4).zip([u32::MAX, seconds, seconds]) {
            place.copy_from_slice(&estimate.to_le_bytes());
        }
        page
    }
}

impl Controller {
    pub(crate) fn begin_sanitize(&mut self, command: &Command) -> Result<Answer, Status> {
        let dword10 = command.dword(10);
        let failed = self.sanitize.state == State::Failed;
        match dword10 & 7 {
            // Without a failure there is none to leave.
            EXIT_FAILURE_MODE if !failed => return Ok(Answer::success(0)),
            EXIT_FAILURE_MODE if self.sanitize.dword10 & UNRESTRICTED_EXIT == 0 => {
                return Err(Status::SANITIZE_FAILED);
            }
            EXIT_FAILURE_MODE => {
                self.sanitize.state = State::Never;
                return Ok(Answer::success(0));
            }
            BLOCK_ERASE | CRYPTO_ERASE => {}
            _ => return Err(Status::INVALID_FIELD),
        }
        if self.firmware.is_pending() {
            return Err(Status::FIRMWARE_NEEDS_RESET);
        }
        let host = self.features.host;
        for namespace in self.namespaces.values() {
            namespace.reservations.allows(host, Access::Write)?;
        }
        self.sanitize = Sanitize {
            state: State::InProgress,
            dword10,
            began: self.now(),
            ends: self.now() + self.config.sanitize_time,
        };
        Ok(Answer::success(0))
    }

    /// Lets the operation end, if its time has come.
    pub(crate) fn settle_sanitize(&mut self) {
        if self.sanitize.next_change().is_none_or(|ends| ends > self.now()) {
            return;
        }
        let erased = self
            .namespaces
            .values_mut()
            .try_for_each(crate::namespace::Namespace::erase);
        self.sanitize.state = if erased.is_ok() {
            State::Completed
        } else {
            State::Failed
        };
        self.notify(Event::SANITIZED);
    }

    /// Why a command is refused while an operation goes on, or after one that has failed (figures 397 and 398).
    pub(crate) fn sanitize_refuses(&self, queue: u16, command: &Command) -> Option<Status> {
        let status = match self.sanitize.state {
            State::Never | State::Completed => return None,
            State::InProgress => Status::SANITIZE_IN_PROGRESS,
            State::Failed => Status::SANITIZE_FAILED,
        };
        let allowed = if queue == 0 {
            let again = command.opcode() == admin::SANITIZE && self.sanitize.state == State::Failed;
            again
                || [
                    admin::DELETE_SQ,
                    admin::CREATE_SQ,
                    admin::GET_LOG_PAGE,
                    admin::DELETE_CQ,
                    admin::CREATE_CQ,
                    admin::IDENTIFY,
                    admin::ABORT,
                    admin::SET_FEATURES,
                    admin::GET_FEATURES,
                    admin::ASYNC_EVENT_REQUEST,
                    admin::DOORBELL_BUFFER_CONFIG,
                ]
                .contains(&command.opcode())
        } else {
            // Without a write cache Flush has no effect, and may succeed.
            command.opcode() == nvm::FLUSH && !self.config.write_cache
        };
        (!allowed).then_some(status)
    }
}
