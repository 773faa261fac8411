//! What a completion means to the disk class driver.
//!
//! Sources: srb.h (`SRB_STATUS_*`); SAM-5 5.3 (status); SPC-4 4.5 (sense data); Microsoft's classpnp sample,
//! `ClassInterpretSenseInfo`, for what is tried again.

use std::{fmt, time::Duration};

use crate::{abi::srb::status as srb, model::Outcome};

/// SRB status codes that only the class drivers care about (srb.h), without flags.
mod srb_status {
    pub(super) const COMMAND_TIMEOUT: u8 = 0x0b;
    pub(super) const REQUEST_FLUSHED: u8 = 0x16;
    pub(super) const INVALID_LUN: u8 = 0x20;
    pub(super) const INVALID_TARGET_ID: u8 = 0x21;
}

/// SCSI status codes (SAM-5 5.3.1).
pub mod scsi {
    #![expect(missing_docs, reason = "the names are SAM-5's")]
    pub const GOOD: u8 = 0x00;
    pub const CHECK_CONDITION: u8 = 0x02;
    pub const BUSY: u8 = 0x08;
    pub const RESERVATION_CONFLICT: u8 = 0x18;
    pub const TASK_SET_FULL: u8 = 0x28;
}

/// Sense key, additional sense code and its qualifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sense {
    /// Sense key.
    pub key: u8,
    /// Additional sense code.
    pub code: u8,
    /// Additional sense code qualifier.
    pub qualifier: u8,
}

/// ILLEGAL REQUEST, INVALID COMMAND OPERATION CODE.
pub const INVALID_OPCODE: Sense = Sense {
    key: 5,
    code: 0x20,
    qualifier: 0,
};
/// ILLEGAL REQUEST, LOGICAL BLOCK ADDRESS OUT OF RANGE.
pub const LBA_OUT_OF_RANGE: Sense = Sense {
    key: 5,
    code: 0x21,
    qualifier: 0,
};
/// ILLEGAL REQUEST, INVALID FIELD IN CDB.
pub const INVALID_FIELD: Sense = Sense {
    key: 5,
    code: 0x24,
    qualifier: 0,
};

impl Sense {
    /// Reads fixed (70h, 71h) or descriptor (72h, 73h) format sense data.
    #[must_use]
    pub fn parse(data: &[u8]) -> Option<Self> {
        match data.first()? & 0x7f {
            0x70 | 0x71 => {
                let [key, code, qualifier] = [2, 12, 13].map(|index| data.get(index).copied());
                Some(Self {
                    key: key? & 0xf,
                    code: code.unwrap_or(0),
                    qualifier: qualifier.unwrap_or(0),
                })
            }
            0x72 | 0x73 => match *data.get(1..4)? {
                [key, code, qualifier] => Some(Self {
                    key: key & 0xf,
                    code,
                    qualifier,
                }),
                _ => None,
            },
            _ => None,
        }
    }
}

impl fmt::Display for Sense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02X}/{:02X}/{:02X}", self.key, self.code, self.qualifier)
    }
}

/// What the class driver does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The request is done.
    Done,
    /// The request is issued again after a pause.
    Retry(Duration),
    /// The request failed for good.
    Failed,
}

impl Outcome {
    /// The sense data, if it is there and well-formed.
    #[must_use]
    pub fn sense_code(&self) -> Option<Sense> {
        Sense::parse(&self.sense)
    }

    /// Whether the driver rejects the command as one it does not have.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        self.srb_status == srb::INVALID_REQUEST || self.sense_code().is_some_and(|sense| sense.key == 5)
    }

    /// Whether no unit answers at the address.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(
            self.srb_status,
            srb::NO_DEVICE
                | srb::SELECTION_TIMEOUT
                | srb_status::INVALID_LUN
                | srb_status::INVALID_TARGET_ID
                | srb::INVALID_PATH_ID
        )
    }

    /// What the disk class driver does with it.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        const AT_ONCE: Duration = Duration::ZERO;
        const SOON: Duration = Duration::from_millis(10);
        match self.srb_status {
            srb::SUCCESS if self.scsi_status == scsi::GOOD => Verdict::Done,
            srb::ABORTED
            | srb::BUS_RESET
            | srb_status::REQUEST_FLUSHED
            | srb::TIMEOUT
            | srb_status::COMMAND_TIMEOUT => Verdict::Retry(AT_ONCE),
            srb::BUSY => Verdict::Retry(SOON),
            srb::ERROR => match (self.scsi_status, self.sense_code()) {
                (scsi::BUSY | scsi::TASK_SET_FULL, _)
                // Not ready, becoming ready.
                | (scsi::CHECK_CONDITION, Some(Sense { key: 2, code: 4, qualifier: 1 })) => Verdict::Retry(SOON),
                // Aborted command, and unit attention.
                (scsi::CHECK_CONDITION, Some(Sense { key: 0x06 | 0x0b, .. })) => Verdict::Retry(AT_ONCE),
_ => Verdict::Failed,
            },
            _ => Verdict::Failed,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SRB status {:#04x}, SCSI status {:#04x}",
            self.srb_status, self.scsi_status
        )?;
        if let Some(sense) = self.sense_code() {
            write!(f, ", sense {sense}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with(srb_status: u8, scsi_status: u8, sense: &[u8]) -> Outcome {
        Outcome {
            srb_status,
            scsi_status,
            sense: sense.to_vec(),
            transferred: 0,
            elapsed: Duration::ZERO,
        }
    }

    #[test]
    fn both_sense_formats_are_read() {
        let fixed = [0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x21, 0, 0, 0, 0, 0];
        assert_eq!(Sense::parse(&fixed), Some(LBA_OUT_OF_RANGE));
        assert_eq!(Sense::parse(&[0x72, 5, 0x20, 0]), Some(INVALID_OPCODE));
        assert_eq!(Sense::parse(&[0x72, 5]), None);
    }

    #[test]
    fn what_a_reset_leaves_is_tried_again_and_errors_are_not() {
        for status in [
            srb::BUS_RESET,
            srb::ABORTED,
            srb::BUSY,
            srb_status::REQUEST_FLUSHED,
        ] {
            assert!(matches!(with(status, 0, &[]).verdict(), Verdict::Retry(_)));
        }
        assert_eq!(with(srb::SUCCESS, 0, &[]).verdict(), Verdict::Done);
        assert!(matches!(
            with(srb::ERROR, 2, &[0x72, 6, 0x29, 0]).verdict(),
            Verdict::Retry(_)
        ));
        for (status, sense) in [
            (srb::ERROR, &[0x72, 3, 0x11, 0][..]),
            (srb::NO_HBA, &[]),
            (srb::DATA_OVERRUN, &[]),
        ] {
            assert_eq!(with(status, 2, sense).verdict(), Verdict::Failed);
        }
    }

    proptest! {
        #[test]
        fn no_sense_data_panics(data in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Sense::parse(&data);
        }
    }
}
