//! SCSI statuses for SRB statuses.

use iscsi_target::{connection::Completion, sense::Sense};

use crate::{abi::srb::status as srb, model::Outcome, workload::status::scsi};

/// `SRB_STATUS_COMMAND_TIMEOUT` (srb.h).
const COMMAND_TIMEOUT: u8 = 0x0B;

/// What an initiator is told of a request that ended.
pub(super) fn completion(outcome: &Outcome, incoming: bool) -> Completion {
    let moved = u64::from(outcome.transferred);
    // An overrun that reports a length is a transfer that fell short of the buffer, as storport.sys has it.
    let short = outcome.srb_status == srb::DATA_OVERRUN && outcome.scsi_status == scsi::GOOD;
    if outcome.is_success() || short {
        return Completion {
            data: if incoming { outcome.transferred as usize } else { 0 },
            moved,
            ..Completion::default()
        };
    }
    if outcome.scsi_status != scsi::GOOD {
        return Completion {
            status: outcome.scsi_status,
            sense: outcome.sense.clone(),
            ..Completion::default()
        };
    }
    match outcome.srb_status {
        srb::BUSY => Completion::status(scsi::BUSY),
        srb::INVALID_REQUEST => Completion::refused(Sense::INVALID_OPERATION_CODE),
        srb::TIMEOUT | COMMAND_TIMEOUT => Completion::refused(Sense::TIMED_OUT),
        srb::ABORTED | srb::BUS_RESET => Completion::refused(Sense::ABORTED),
        _ if outcome.is_absent() => Completion::refused(Sense::LOGICAL_UNIT_NOT_SUPPORTED),
        _ => Completion::refused(Sense::INTERNAL_TARGET_FAILURE),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn outcome(srb_status: u8, scsi_status: u8, transferred: u32) -> Outcome {
        Outcome {
            srb_status,
            scsi_status,
            sense: Vec::new(),
            transferred,
            elapsed: Duration::ZERO,
        }
    }

    #[test]
    fn an_srb_status_alone_becomes_sense_data() {
        let key = |srb_status| {
            completion(&outcome(srb_status, 0, 0), false)
                .sense
                .get(2)
                .copied()
        };
        assert_eq!(key(srb::INVALID_REQUEST), Some(5));
        assert_eq!(key(srb::BUS_RESET), Some(0xB));
        assert_eq!(key(srb::TIMEOUT), Some(0xB));
        assert_eq!(key(srb::NO_DEVICE), Some(5));
        assert_eq!(key(srb::INTERNAL_ERROR), Some(4));
        assert_eq!(completion(&outcome(srb::BUSY, 0, 0), false).status, scsi::BUSY);
    }

    #[test]
    fn a_scsi_status_is_passed_on() {
        let mut refused = outcome(srb::ERROR, scsi::CHECK_CONDITION, 0);
        refused.sense = vec![0x72, 5, 0x20, 0];
        let told = completion(&refused, true);
        assert_eq!(
            (told.status, told.sense, told.data),
            (2, vec![0x72, 5, 0x20, 0], 0)
        );
    }

    #[test]
    fn only_incoming_data_is_data() {
        assert_eq!(completion(&outcome(srb::SUCCESS, 0, 512), true).data, 512);
        let written = completion(&outcome(srb::SUCCESS, 0, 512), false);
        assert_eq!((written.data, written.moved), (0, 512));
    }
}
