//! From an NVMe completion's status to SCSI status and sense (SNTL chapter 7).

use nvme::{Status as NvmeStatus, StatusCode};
use scsi::sense::{AdditionalSense as Additional, Sense, SenseKey as Key};
use scsi::status::Status;

use crate::request::Outcome;

/// What a row of the table says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Meaning {
    /// GOOD.
    Success,
    /// RESERVATION CONFLICT, which carries no sense data (SAM-5 5.3.1).
    ReservationConflict,
    /// CHECK CONDITION with these sense data.
    Check(Key, Additional),
}

use Meaning::{Check, ReservationConflict, Success};

/// Every status that an NVM command or a command behind a SCSI command may end with, by `SCT << 8 | SC` in ascending
/// order (Base 2.0, Figures 94 to 98; NVM Command Set 1.0, Figures 15 to 18). The ADR on the translation says where
/// and why a row differs from SNTL.
const TABLE: &[(u16, Meaning)] = &[
    // Successful completion.
    (0x000, Success),
    // Invalid command opcode.
    (
        0x001,
        Check(Key::IllegalRequest, Additional::INVALID_COMMAND_OPERATION_CODE),
    ),
    // Invalid field in command.
    (
        0x002,
        Check(Key::IllegalRequest, Additional::INVALID_FIELD_IN_CDB),
    ),
    // Command id conflict.
    (
        0x003,
        Check(Key::AbortedCommand, Additional::NO_ADDITIONAL_SENSE_INFORMATION),
    ),
    // Data transfer error.
    (
        0x004,
        Check(Key::MediumError, Additional::NO_ADDITIONAL_SENSE_INFORMATION),
    ),
    // Commands aborted due to power loss notification.
    (
        0x005,
        Check(Key::AbortedCommand, Additional::WARNING_POWER_LOSS_EXPECTED),
    ),
    // Internal error.
    (
        0x006,
        Check(Key::HardwareError, Additional::INTERNAL_TARGET_FAILURE),
    ),
    // Command abort requested.
    (
        0x007,
        Check(Key::AbortedCommand, Additional::NO_ADDITIONAL_SENSE_INFORMATION),
    ),
    // Command aborted due to submission queue deletion.
    (
        0x008,
        Check(Key::AbortedCommand, Additional::NO_ADDITIONAL_SENSE_INFORMATION),
    ),
    // Command aborted due to failed fused command.
    (
        0x009,
        Check(Key::AbortedCommand, Additional::NO_ADDITIONAL_SENSE_INFORMATION),
    ),
    // Command aborted due to missing fused command.
    (
        0x00A,
        Check(Key::AbortedCommand, Additional::NO_ADDITIONAL_SENSE_INFORMATION),
    ),
    // Invalid namespace or format.
    (
        0x00B,
        Check(
            Key::IllegalRequest,
            Additional::ACCESS_DENIED_INVALID_LU_IDENTIFIER,
        ),
    ),
    // Command sequence error.
    (
        0x00C,
        Check(Key::IllegalRequest, Additional::COMMAND_SEQUENCE_ERROR),
    ),
    // Invalid SGL segment descriptor.
    (
        0x00D,
        Check(Key::HardwareError, Additional::INTERNAL_TARGET_FAILURE),
    ),
    // Invalid number of SGL descriptors.
    (
        0x00E,
        Check(Key::HardwareError, Additional::INTERNAL_TARGET_FAILURE),
    ),
    // Data SGL length invalid.
    (
        0x00F,
        Check(Key::HardwareError, Additional::INTERNAL_TARGET_FAILURE),
    ),
    // Metadata SGL length invalid.
    (
        0x010,
        Check(Key::HardwareError, Additional::INTERNAL_TARGET_FAILURE),
    ),
    // SGL descriptor type invalid.
    (
        0x011,
        Check(Key::HardwareError, Additional::INTERNAL_TARGET_FAILURE),
    ),
    // Invalid use of controller memory buffer.
    (
        0x012,
        Check(Key::HardwareError, Additional::INTERNAL_TARGET_FAILURE),
    ),
    // PRP offset invalid.
    (
        0x013,
        Check(Key::HardwareError, Additional::INTERNAL_TARGET_FAILURE),
    ),
    // Atomic write unit exceeded.
    (
        0x014,
        Check(Key::IllegalRequest, Additional::INVALID_FIELD_IN_CDB),
    ),
    // Operation denied.
    (
        0x015,
        Check(Key::DataProtect, Additional::ACCESS_DENIED_NO_ACCESS_RIGHTS),
    ),
    // SGL offset invalid.
    (
        0x016,
        Check(Key::HardwareError, Additional::INTERNAL_TARGET_FAILURE),
    ),
    // Host identifier inconsistent format.
    (
        0x018,
        Check(Key::HardwareError, Additional::INTERNAL_TARGET_FAILURE),
    ),
    // Keep alive timer expired.
    (
        0x019,
        Check(Key::HardwareError, Additional::INTERNAL_TARGET_FAILURE),
    ),
    // Keep alive timeout invalid.
    (
        0x01A,
        Check(Key::HardwareError, Additional::INTERNAL_TARGET_FAILURE),
    ),
    // Command aborted due to preempt and abort.
    (
        0x01B,
        Check(Key::AbortedCommand, Additional::NO_ADDITIONAL_SENSE_INFORMATION),
    ),
    // Sanitize failed.
    (
        0x01C,
        Check(Key::MediumError, Additional::SANITIZE_COMMAND_FAILED),
    ),
    // Sanitize in progress.
    (
        0x01D,
        Check(Key::NotReady, Additional::NOT_READY_SANITIZE_IN_PROGRESS),
    ),
    // SGL data block granularity invalid.
    (
        0x01E,
        Check(Key::HardwareError, Additional::INTERNAL_TARGET_FAILURE),
    ),
    // Command not supported for queue in CMB.
    (
        0x01F,
        Check(Key::HardwareError, Additional::INTERNAL_TARGET_FAILURE),
    ),
    // Namespace is write protected.
    (0x020, Check(Key::DataProtect, Additional::WRITE_PROTECTED)),
    // Command interrupted.
    (
        0x021,
        Check(Key::AbortedCommand, Additional::NO_ADDITIONAL_SENSE_INFORMATION),
    ),
    // Transient transport error.
    (
        0x022,
        Check(Key::AbortedCommand, Additional::NO_ADDITIONAL_SENSE_INFORMATION),
    ),
    // Command prohibited by command and feature lockdown.
    (
        0x023,
        Check(Key::DataProtect, Additional::ACCESS_DENIED_NO_ACCESS_RIGHTS),
    ),
    // Admin command media not ready.
    (0x024, Check(Key::NotReady, Additional::NOT_READY_BECOMING_READY)),
    // LBA out of range.
    (0x080, Check(Key::IllegalRequest, Additional::LBA_OUT_OF_RANGE)),
    // Capacity exceeded.
    (
        0x081,
        Check(
            Key::DataProtect,
            Additional::SPACE_ALLOCATION_FAILED_WRITE_PROTECT,
        ),
    ),
    // Namespace not ready; see `outcome` for what DNR adds.
    (0x082, Check(Key::NotReady, Additional::NOT_READY_BECOMING_READY)),
    // Reservation conflict.
    (0x083, ReservationConflict),
    // Format in progress.
    (
        0x084,
        Check(Key::NotReady, Additional::NOT_READY_FORMAT_IN_PROGRESS),
    ),
    // Completion queue invalid.
    (
        0x100,
        Check(Key::IllegalRequest, Additional::NO_ADDITIONAL_SENSE_INFORMATION),
    ),
    // Invalid queue identifier.
    (
        0x101,
        Check(Key::IllegalRequest, Additional::NO_ADDITIONAL_SENSE_INFORMATION),
    ),
    // Invalid queue size.
    (
        0x102,
        Check(Key::IllegalRequest, Additional::NO_ADDITIONAL_SENSE_INFORMATION),
    ),
    // Abort command limit exceeded.
    (
        0x103,
        Check(Key::IllegalRequest, Additional::NO_ADDITIONAL_SENSE_INFORMATION),
    ),
    // Asynchronous event request limit exceeded.
    (
        0x105,
        Check(Key::IllegalRequest, Additional::NO_ADDITIONAL_SENSE_INFORMATION),
    ),
    // Invalid firmware slot.
    (
        0x106,
        Check(Key::IllegalRequest, Additional::INVALID_FIELD_IN_CDB),
    ),
    // Invalid firmware image.
    (
        0x107,
        Check(Key::IllegalRequest, Additional::INVALID_FIELD_IN_PARAMETER_LIST),
    ),
    // Invalid interrupt vector.
    (
        0x108,
        Check(Key::IllegalRequest, Additional::NO_ADDITIONAL_SENSE_INFORMATION),
    ),
    // Invalid log page.
    (
        0x109,
        Check(Key::IllegalRequest, Additional::INVALID_FIELD_IN_CDB),
    ),
    // Invalid format.
    (
        0x10A,
        Check(Key::IllegalRequest, Additional::FORMAT_COMMAND_FAILED),
    ),
    // Feature identifier not saveable.
    (
        0x10D,
        Check(Key::IllegalRequest, Additional::SAVING_PARAMETERS_NOT_SUPPORTED),
    ),
    // Feature not changeable.
    (
        0x10E,
        Check(Key::IllegalRequest, Additional::INVALID_FIELD_IN_PARAMETER_LIST),
    ),
    // Feature not namespace specific.
    (
        0x10F,
        Check(Key::IllegalRequest, Additional::INVALID_FIELD_IN_PARAMETER_LIST),
    ),
    // Device self-test in progress.
    (
        0x11D,
        Check(Key::NotReady, Additional::NOT_READY_SELF_TEST_IN_PROGRESS),
    ),
    // Conflicting attributes.
    (
        0x180,
        Check(Key::IllegalRequest, Additional::INVALID_FIELD_IN_CDB),
    ),
    // Invalid protection information.
    (
        0x181,
        Check(Key::IllegalRequest, Additional::INVALID_FIELD_IN_CDB),
    ),
    // Attempted write to read only range.
    (0x182, Check(Key::DataProtect, Additional::WRITE_PROTECTED)),
    // Command size limit exceeded.
    (
        0x183,
        Check(Key::IllegalRequest, Additional::INVALID_FIELD_IN_CDB),
    ),
    // Write fault.
    (
        0x280,
        Check(Key::MediumError, Additional::PERIPHERAL_DEVICE_WRITE_FAULT),
    ),
    // Unrecovered read error.
    (0x281, Check(Key::MediumError, Additional::UNRECOVERED_READ_ERROR)),
    // End-to-end guard check error.
    (
        0x282,
        Check(Key::MediumError, Additional::LOGICAL_BLOCK_GUARD_CHECK_FAILED),
    ),
    // End-to-end application tag check error.
    (
        0x283,
        Check(
            Key::MediumError,
            Additional::LOGICAL_BLOCK_APPLICATION_TAG_CHECK_FAILED,
        ),
    ),
    // End-to-end reference tag check error.
    (
        0x284,
        Check(
            Key::MediumError,
            Additional::LOGICAL_BLOCK_REFERENCE_TAG_CHECK_FAILED,
        ),
    ),
    // Compare failure.
    (
        0x285,
        Check(Key::Miscompare, Additional::MISCOMPARE_DURING_VERIFY),
    ),
    // Access denied.
    (
        0x286,
        Check(Key::DataProtect, Additional::ACCESS_DENIED_NO_ACCESS_RIGHTS),
    ),
    // Deallocated or unwritten logical block.
    (0x287, Check(Key::MediumError, Additional::UNRECOVERED_READ_ERROR)),
    // Internal path error.
    (
        0x300,
        Check(Key::AbortedCommand, Additional::NO_ADDITIONAL_SENSE_INFORMATION),
    ),
    // Asymmetric access persistent loss.
    (
        0x301,
        Check(Key::NotReady, Additional::NOT_READY_TARGET_PORT_UNAVAILABLE),
    ),
    // Asymmetric access inaccessible.
    (
        0x302,
        Check(Key::NotReady, Additional::NOT_READY_TARGET_PORT_UNAVAILABLE),
    ),
    // Asymmetric access transition.
    (
        0x303,
        Check(
            Key::NotReady,
            Additional::NOT_READY_ASYMMETRIC_ACCESS_STATE_TRANSITION,
        ),
    ),
    // Controller pathing error.
    (
        0x360,
        Check(Key::AbortedCommand, Additional::NO_ADDITIONAL_SENSE_INFORMATION),
    ),
    // Host pathing error.
    (
        0x370,
        Check(Key::AbortedCommand, Additional::NO_ADDITIONAL_SENSE_INFORMATION),
    ),
    // Command aborted by host.
    (
        0x371,
        Check(Key::AbortedCommand, Additional::NO_ADDITIONAL_SENSE_INFORMATION),
    ),
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
            Check(Key::NotReady, Additional::NOT_READY_CAUSE_NOT_REPORTABLE)
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

/// A status that is not in the table: reserved, vendor specific, or younger than it. The type tells at least whose
/// fault it was; where it does not, DNR tells whether a retry makes sense.
fn unlisted(status: NvmeStatus) -> Meaning {
    match status.code().status_code_type() {
        StatusCode::TYPE_COMMAND_SPECIFIC => {
            Check(Key::IllegalRequest, Additional::NO_ADDITIONAL_SENSE_INFORMATION)
        }
        StatusCode::TYPE_MEDIA => Check(Key::MediumError, Additional::NO_ADDITIONAL_SENSE_INFORMATION),
        _ if status.do_not_retry() => Check(Key::HardwareError, Additional::INTERNAL_TARGET_FAILURE),
        _ => Check(Key::AbortedCommand, Additional::NO_ADDITIONAL_SENSE_INFORMATION),
    }
}
