//! From an NVMe completion's status to SCSI status and sense (SNTL, status code translations).

use nvme::{Status as NvmeStatus, StatusCode};
use scsi::sense::SenseKey::{
    self, AbortedCommand, DataProtect, HardwareError, IllegalRequest, MediumError, Miscompare, NotReady,
};
use scsi::sense::{AdditionalSense as Asc, Sense};
use scsi::status::Status;

use crate::request::Outcome;

/// What a row of the table says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Meaning {
    /// GOOD.
    Success,
    /// RESERVATION CONFLICT, which carries no sense data (SAM-5, "Status codes").
    ReservationConflict,
    /// CHECK CONDITION with these sense data.
    Check(SenseKey, Asc),
}

use Meaning::{Check, ReservationConflict, Success};

/// Every status that an NVM command or a command behind a SCSI command may end with, by `SCT << 8 | SC` in
/// ascending order (Base 2.0, Figures 94 to 98; NVM Command Set 1.0, Figures 15 to 18). The ADR on the
/// translation says where and why a row differs from SNTL.
#[rustfmt::skip] // A row a line.
const TABLE: &[(u16, Meaning)] = &[
    (0x000, Success), // Successful completion
    (0x001, Check(IllegalRequest, Asc::INVALID_COMMAND_OPERATION_CODE)), // Invalid command opcode
    (0x002, Check(IllegalRequest, Asc::INVALID_FIELD_IN_CDB)), // Invalid field in command
    (0x003, Check(AbortedCommand, Asc::NO_ADDITIONAL_SENSE_INFORMATION)), // Command id conflict
    (0x004, Check(MediumError, Asc::NO_ADDITIONAL_SENSE_INFORMATION)), // Data transfer error
    (0x005, Check(AbortedCommand, Asc::WARNING_POWER_LOSS_EXPECTED)), // Aborted: power loss
    (0x006, Check(HardwareError, Asc::INTERNAL_TARGET_FAILURE)), // Internal error
    (0x007, Check(AbortedCommand, Asc::NO_ADDITIONAL_SENSE_INFORMATION)), // Command abort requested
    (0x008, Check(AbortedCommand, Asc::NO_ADDITIONAL_SENSE_INFORMATION)), // Aborted: queue deleted
    (0x009, Check(AbortedCommand, Asc::NO_ADDITIONAL_SENSE_INFORMATION)), // Aborted: failed fused command
    (0x00A, Check(AbortedCommand, Asc::NO_ADDITIONAL_SENSE_INFORMATION)), // Aborted: missing fused command
    (0x00B, Check(IllegalRequest, Asc::ACCESS_DENIED_INVALID_LU_IDENTIFIER)), // Invalid namespace or format
    (0x00C, Check(IllegalRequest, Asc::COMMAND_SEQUENCE_ERROR)), // Command sequence error
    (0x00D, Check(HardwareError, Asc::INTERNAL_TARGET_FAILURE)), // Invalid SGL segment descriptor
    (0x00E, Check(HardwareError, Asc::INTERNAL_TARGET_FAILURE)), // Invalid number of SGL descriptors
    (0x00F, Check(HardwareError, Asc::INTERNAL_TARGET_FAILURE)), // Data SGL length invalid
    (0x010, Check(HardwareError, Asc::INTERNAL_TARGET_FAILURE)), // Metadata SGL length invalid
    (0x011, Check(HardwareError, Asc::INTERNAL_TARGET_FAILURE)), // SGL descriptor type invalid
    (0x012, Check(HardwareError, Asc::INTERNAL_TARGET_FAILURE)), // Invalid use of controller memory buffer
    (0x013, Check(HardwareError, Asc::INTERNAL_TARGET_FAILURE)), // PRP offset invalid
    (0x014, Check(IllegalRequest, Asc::INVALID_FIELD_IN_CDB)), // Atomic write unit exceeded
    (0x015, Check(DataProtect, Asc::ACCESS_DENIED_NO_ACCESS_RIGHTS)), // Operation denied
    (0x016, Check(HardwareError, Asc::INTERNAL_TARGET_FAILURE)), // SGL offset invalid
    (0x018, Check(HardwareError, Asc::INTERNAL_TARGET_FAILURE)), // Host identifier inconsistent format
    (0x019, Check(HardwareError, Asc::INTERNAL_TARGET_FAILURE)), // Keep alive timer expired
    (0x01A, Check(HardwareError, Asc::INTERNAL_TARGET_FAILURE)), // Keep alive timeout invalid
    (0x01B, Check(AbortedCommand, Asc::NO_ADDITIONAL_SENSE_INFORMATION)), // Aborted: preempt and abort
    (0x01C, Check(MediumError, Asc::SANITIZE_COMMAND_FAILED)), // Sanitize failed
    (0x01D, Check(NotReady, Asc::NOT_READY_SANITIZE_IN_PROGRESS)), // Sanitize in progress
    (0x01E, Check(HardwareError, Asc::INTERNAL_TARGET_FAILURE)), // SGL data block granularity invalid
    (0x01F, Check(HardwareError, Asc::INTERNAL_TARGET_FAILURE)), // Command not supported for queue in CMB
    (0x020, Check(DataProtect, Asc::WRITE_PROTECTED)), // Namespace is write protected
    (0x021, Check(AbortedCommand, Asc::NO_ADDITIONAL_SENSE_INFORMATION)), // Command interrupted
    (0x022, Check(AbortedCommand, Asc::NO_ADDITIONAL_SENSE_INFORMATION)), // Transient transport error
    (0x023, Check(DataProtect, Asc::ACCESS_DENIED_NO_ACCESS_RIGHTS)), // Prohibited by lockdown
    (0x024, Check(NotReady, Asc::NOT_READY_BECOMING_READY)), // Admin command media not ready
    (0x080, Check(IllegalRequest, Asc::LBA_OUT_OF_RANGE)), // LBA out of range
    (0x081, Check(DataProtect, Asc::SPACE_ALLOCATION_FAILED_WRITE_PROTECT)), // Capacity exceeded
    (0x082, Check(NotReady, Asc::NOT_READY_BECOMING_READY)), // Namespace not ready, see `outcome`
    (0x083, ReservationConflict), // Reservation conflict
    (0x084, Check(NotReady, Asc::NOT_READY_FORMAT_IN_PROGRESS)), // Format in progress
    (0x100, Check(IllegalRequest, Asc::NO_ADDITIONAL_SENSE_INFORMATION)), // Completion queue invalid
    (0x101, Check(IllegalRequest, Asc::NO_ADDITIONAL_SENSE_INFORMATION)), // Invalid queue identifier
    (0x102, Check(IllegalRequest, Asc::NO_ADDITIONAL_SENSE_INFORMATION)), // Invalid queue size
    (0x103, Check(IllegalRequest, Asc::NO_ADDITIONAL_SENSE_INFORMATION)), // Abort command limit exceeded
    (0x105, Check(IllegalRequest, Asc::NO_ADDITIONAL_SENSE_INFORMATION)), // AER limit exceeded
    (0x106, Check(IllegalRequest, Asc::INVALID_FIELD_IN_CDB)), // Invalid firmware slot
    (0x107, Check(IllegalRequest, Asc::INVALID_FIELD_IN_PARAMETER_LIST)), // Invalid firmware image
    (0x108, Check(IllegalRequest, Asc::NO_ADDITIONAL_SENSE_INFORMATION)), // Invalid interrupt vector
    (0x109, Check(IllegalRequest, Asc::INVALID_FIELD_IN_CDB)), // Invalid log page
    (0x10A, Check(IllegalRequest, Asc::FORMAT_COMMAND_FAILED)), // Invalid format
    (0x10D, Check(IllegalRequest, Asc::SAVING_PARAMETERS_NOT_SUPPORTED)), // Feature identifier not saveable
    (0x10E, Check(IllegalRequest, Asc::INVALID_FIELD_IN_PARAMETER_LIST)), // Feature not changeable
    (0x10F, Check(IllegalRequest, Asc::INVALID_FIELD_IN_PARAMETER_LIST)), // Feature not namespace specific
    (0x113, Check(IllegalRequest, Asc::INVALID_FIELD_IN_PARAMETER_LIST)), // Firmware activation prohibited
    (0x114, Check(IllegalRequest, Asc::INVALID_FIELD_IN_CDB)), // Overlapping range
    (0x11D, Check(NotReady, Asc::NOT_READY_SELF_TEST_IN_PROGRESS)), // Device self-test in progress
    (0x180, Check(IllegalRequest, Asc::INVALID_FIELD_IN_CDB)), // Conflicting attributes
    (0x181, Check(IllegalRequest, Asc::INVALID_FIELD_IN_CDB)), // Invalid protection information
    (0x182, Check(DataProtect, Asc::WRITE_PROTECTED)), // Attempted write to read only range
    (0x183, Check(IllegalRequest, Asc::INVALID_FIELD_IN_CDB)), // Command size limit exceeded
    (0x280, Check(MediumError, Asc::PERIPHERAL_DEVICE_WRITE_FAULT)), // Write fault
    (0x281, Check(MediumError, Asc::UNRECOVERED_READ_ERROR)), // Unrecovered read error
    (0x282, Check(MediumError, Asc::LOGICAL_BLOCK_GUARD_CHECK_FAILED)), // End-to-end guard check error
    (0x283, Check(MediumError, Asc::LOGICAL_BLOCK_APPLICATION_TAG_CHECK_FAILED)), // Application tag check
    (0x284, Check(MediumError, Asc::LOGICAL_BLOCK_REFERENCE_TAG_CHECK_FAILED)), // Reference tag check
    (0x285, Check(Miscompare, Asc::MISCOMPARE_DURING_VERIFY)), // Compare failure
    (0x286, Check(DataProtect, Asc::ACCESS_DENIED_NO_ACCESS_RIGHTS)), // Access denied
    (0x287, Check(MediumError, Asc::UNRECOVERED_READ_ERROR)), // Deallocated or unwritten logical block
    (0x300, Check(AbortedCommand, Asc::NO_ADDITIONAL_SENSE_INFORMATION)), // Internal path error
    (0x301, Check(NotReady, Asc::NOT_READY_TARGET_PORT_UNAVAILABLE)), // ANA persistent loss
    (0x302, Check(NotReady, Asc::NOT_READY_TARGET_PORT_UNAVAILABLE)), // ANA inaccessible
    (0x303, Check(NotReady, Asc::NOT_READY_ASYMMETRIC_ACCESS_STATE_TRANSITION)), // ANA transition
    (0x360, Check(AbortedCommand, Asc::NO_ADDITIONAL_SENSE_INFORMATION)), // Controller pathing error
    (0x370, Check(AbortedCommand, Asc::NO_ADDITIONAL_SENSE_INFORMATION)), // Host pathing error
    (0x371, Check(AbortedCommand, Asc::NO_ADDITIONAL_SENSE_INFORMATION)), // Command aborted by host
];

/// How a SCSI command ends whose NVM command ended with `status`.
#[must_use]
pub fn outcome(status: NvmeStatus) -> Outcome {
    // Almost every completion; the table need not be looked at.
    if status.is_success() {
        return Outcome::GOOD;
    }
    let meaning = match status.code() {
        // A namespace that will not become ready by itself must not be said to be doing so.
        StatusCode::NAMESPACE_NOT_READY if status.do_not_retry() => {
            Check(NotReady, Asc::NOT_READY_CAUSE_NOT_REPORTABLE)
        }
        StatusCode(code) => TABLE
            .iter()
            .find(|(row, _)| *row == code)
            .map_or_else(|| unlisted(status), |(_, meaning)| *meaning),
    };
    match meaning {
        Success => Outcome::GOOD,
        ReservationConflict => Outcome {
            status: Status::RESERVATION_CONFLICT,
            sense: None,
        },
        Check(key, additional) => Outcome::check_condition(Sense::new(key, additional)),
    }
}

/// A status that is not in the table: reserved, vendor specific, or younger than it. The type tells at least
/// whose fault it was; where it does not, DNR tells whether a retry makes sense.
fn unlisted(status: NvmeStatus) -> Meaning {
    match status.code().status_code_type() {
        StatusCode::TYPE_COMMAND_SPECIFIC => Check(IllegalRequest, Asc::NO_ADDITIONAL_SENSE_INFORMATION),
        StatusCode::TYPE_MEDIA => Check(MediumError, Asc::NO_ADDITIONAL_SENSE_INFORMATION),
        _ if status.do_not_retry() => Check(HardwareError, Asc::INTERNAL_TARGET_FAILURE),
        _ => Check(AbortedCommand, Asc::NO_ADDITIONAL_SENSE_INFORMATION),
    }
}

#[cfg(test)]
mod tests;
