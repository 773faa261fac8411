//! Commands to one unit, and the record of how they went.

use std::time::Duration;

use super::{
    super::{
        disk::{Buffer as _, Command, Disk},
        status::{Sense, Verdict as Retry},
    },
    Check, Verdict,
};
use crate::{
    abi::srb::status as srb,
    model::{Address, Direction, Outcome},
};

/// Time-out of a start-up command, as the class driver sets it.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often a command is tried again.
const RETRIES: u32 = 8;
/// What a data buffer holds before the command: an answer that was not written shows.
const FILL: u8 = 0xa5;

pub(super) struct Session<'a, D> {
    disk: &'a D,
    unit: Address,
    checks: &'a mut Vec<Check>,
}

impl<'a, D: Disk> Session<'a, D> {
    pub(super) fn new(disk: &'a D, unit: Address, checks: &'a mut Vec<Check>) -> Self {
        Self { disk, unit, checks }
    }

    pub(super) fn unit(&self) -> Address {
        self.unit
    }

    /// Whether a unit is connected at the address.
    pub(super) fn answers(&self) -> bool {
        let (completion, data) = self.issue(&super::cdb::inquiry(None, 36), 36);
        // Peripheral qualifier 0: connected.
        completion.is_success() && data.first().is_some_and(|byte| byte >> 5 == 0)
    }

    /// A command that a disk must have.
    pub(super) fn mandatory(
        &mut self,
        command: &str,
        cdb: &[u8],
        length: usize,
        check: impl FnOnce(&[u8]) -> Result<String, String>,
    ) {
        let (completion, data) = self.issue(cdb, length);
        let result = if completion.is_success() {
            check(&data)
        } else {
            Err(completion.to_string())
        };
        self.record(command, result);
    }

    /// A command that a disk may refuse, if it does so properly.
    pub(super) fn optional(
        &mut self,
        command: &str,
        cdb: &[u8],
        length: usize,
        check: impl FnOnce(&[u8]) -> Result<String, String>,
    ) {
        let (completion, data) = self.issue(cdb, length);
        if !completion.is_success() && completion.is_unsupported() {
            self.push(command, Verdict::Absent, completion.to_string());
        } else {
            let result = if completion.is_success() {
                check(&data)
            } else {
                Err(completion.to_string())
            };
            self.record(command, result);
        }
    }

    /// A command that must be refused: with the sense given, or as a request the driver does not have.
    pub(super) fn refused(&mut self, command: &str, cdb: &[u8], length: usize, expected: Sense) {
        let (completion, _) = self.issue(cdb, length);
        let proper = match completion.srb_status {
            srb::INVALID_REQUEST => expected != super::LBA_OUT_OF_RANGE,
            srb::ERROR => completion.sense_code() == Some(expected),
            _ => false,
        };
        let text = completion.to_string();
        self.record(
            command,
            if proper {
                Ok(text)
            } else {
                Err(format!("{text}; expected sense {expected}"))
            },
        );
    }

    /// A command without data that must succeed.
    pub(super) fn succeeds(&mut self, command: &str, cdb: &[u8]) {
        self.mandatory(command, cdb, 0, |_| Ok(String::new()));
    }

    fn record(&mut self, command: &str, result: Result<String, String>) {
        match result {
            Ok(detail) => self.push(command, Verdict::Passed, detail),
            Err(detail) => self.push(command, Verdict::Failed, detail),
        }
    }

    fn push(&mut self, command: &str, verdict: Verdict, detail: String) {
        self.checks.push(Check {
            command: command.to_owned(),
            unit: self.unit,
            verdict,
            detail,
        });
    }

    /// Issues a command, again while it comes back for another try, and returns the bytes it transferred.
    fn issue(&self, cdb: &[u8], length: usize) -> (Outcome, Vec<u8>) {
        let mut attempt = 0;
        loop {
            let (completion, data) = self.once(cdb, length);
            match completion.verdict() {
                Retry::Retry(pause) if attempt < RETRIES => {
                    attempt += 1;
                    self.disk.pause(pause);
                }
                _ => return (completion, data),
            }
        }
    }

    fn once(&self, cdb: &[u8], length: usize) -> (Outcome, Vec<u8>) {
        let buffer = match (length > 0).then(|| self.disk.buffer(length)).transpose() {
            Ok(buffer) => buffer,
            Err(error) => {
                // The lab's fault, not the driver's; it must not look like an answer.
                let sense = error.to_string().into_bytes();
                return (
                    Outcome {
                        srb_status: srb::NO_HBA,
                        scsi_status: 0,
                        sense,
                        transferred: 0,
                        elapsed: Duration::ZERO,
                    },
                    Vec::new(),
                );
            }
        };
        if let Some(buffer) = &buffer {
            buffer.write(0, &vec![FILL; length]);
        }
        let completion = self.disk.execute(Command {
            processor: 0,
            unit: self.unit,
            cdb: cdb.to_vec(),
            direction: if length > 0 {
                Direction::In
            } else {
                Direction::None
            },
            buffer: buffer.clone(),
            timeout: TIMEOUT,
        });
        let mut data = vec![0; length.min(completion.transferred as usize)];
        if let Some(buffer) = buffer {
            buffer.read(0, &mut data);
        }
        (completion, data)
    }
}
