//! Completion status (Base 2.0, section 3.3.3.2).

use bitfield_struct::bitfield;

/// Bits 31:16 of completion dword 3 (Base 2.0, section 3.3.3.2).
#[bitfield(u16)]
#[derive(PartialEq, Eq)]
pub struct Status {
    /// P, phase tag.
    pub phase: bool,
    /// SC, status code, meaningful within [`Status::status_code_type`].
    #[bits(8)]
    pub status_code: u8,
    /// SCT, status code type.
    #[bits(3)]
    pub status_code_type: u8,
    /// CRD, command retry delay: 0 none, 1 to 3 index CRDT1 to CRDT3 of Identify Controller.
    #[bits(2)]
    pub retry_delay: u8,
    /// M, more: the error information log has more about it.
    pub more: bool,
    /// DNR, do not retry.
    pub do_not_retry: bool,
}

impl Status {
    /// SCT and SC as one value to match on.
    #[must_use]
    pub const fn code(self) -> StatusCode {
        StatusCode(((self.status_code_type() as u16) << 8) | self.status_code() as u16)
    }

    /// Whether the command succeeded (SCT 0, SC 0).
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.code().0 == 0
    }
}

/// A status code with its type: `SCT << 8 | SC`. Open: a device may return any value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct StatusCode(pub u16);

/// Status code types (Base 2.0, section 3.3.3.2.1).
impl StatusCode {
    /// SCT 0h.
    pub const TYPE_GENERIC: u8 = 0;
    /// SCT 1h.
    pub const TYPE_COMMAND_SPECIFIC: u8 = 1;
    /// SCT 2h.
    pub const TYPE_MEDIA: u8 = 2;
    /// SCT 3h.
    pub const TYPE_PATH: u8 = 3;
    /// SCT 7h.
    pub const TYPE_VENDOR: u8 = 7;

    /// The status code type.
    #[must_use]
    pub const fn status_code_type(self) -> u8 {
        (self.0 >> 8) as u8 & 7
    }

    /// The status code within its type.
    #[must_use]
    pub const fn status_code(self) -> u8 {
        let [code, _] = self.0.to_le_bytes();
        code
    }
}

macro_rules! status_codes {
    ($($(#[$meta:meta])* $name:ident = $value:literal;)*) => {
        impl StatusCode {
            $($(#[$meta])* pub const $name: Self = Self($value);)*
        }
    };
}

// Generic command status (Base 2.0, section 3.3.3.2.1).
status_codes! {
    /// Successful completion.
    SUCCESS = 0x000;
    /// Invalid command opcode.
    INVALID_OPCODE = 0x001;
    /// Invalid field in command.
    INVALID_FIELD = 0x002;
    /// Command id conflict.
    COMMAND_ID_CONFLICT = 0x003;
    /// Data transfer error.
    DATA_TRANSFER_ERROR = 0x004;
    /// Commands aborted due to power loss notification.
    POWER_LOSS_ABORT = 0x005;
    /// Internal error.
    INTERNAL_ERROR = 0x006;
    /// Command abort requested.
    ABORT_REQUESTED = 0x007;
    /// Command aborted due to submission queue deletion.
    ABORTED_QUEUE_DELETED = 0x008;
    /// Command aborted due to a failed fused command.
    ABORTED_FAILED_FUSED = 0x009;
    /// Command aborted due to a missing fused command.
    ABORTED_MISSING_FUSED = 0x00A;
    /// Invalid namespace or format.
    INVALID_NAMESPACE = 0x00B;
    /// Command sequence error.
    COMMAND_SEQUENCE_ERROR = 0x00C;
    /// PRP offset invalid.
    PRP_OFFSET_INVALID = 0x013;
    /// Operation denied.
    OPERATION_DENIED = 0x015;
    /// Namespace is write protected.
    NAMESPACE_WRITE_PROTECTED = 0x020;
    /// Command interrupted.
    COMMAND_INTERRUPTED = 0x021;
    /// Transient transport error.
    TRANSIENT_TRANSPORT_ERROR = 0x022;
    /// LBA out of range.
    LBA_OUT_OF_RANGE = 0x080;
    /// Capacity exceeded.
    CAPACITY_EXCEEDED = 0x081;
    /// Namespace not ready.
    NAMESPACE_NOT_READY = 0x082;
    /// Reservation conflict.
    RESERVATION_CONFLICT = 0x083;
    /// Format in progress.
    FORMAT_IN_PROGRESS = 0x084;
}

// Command specific status (Base 2.0, section 3.3.3.2.1; NVM Command Set 1.0).
status_codes! {
    /// Completion queue invalid.
    COMPLETION_QUEUE_INVALID = 0x100;
    /// Invalid queue identifier.
    INVALID_QUEUE_IDENTIFIER = 0x101;
    /// Invalid queue size.
    INVALID_QUEUE_SIZE = 0x102;
    /// Abort command limit exceeded.
    ABORT_LIMIT_EXCEEDED = 0x103;
    /// Asynchronous event request limit exceeded.
    ASYNC_EVENT_LIMIT_EXCEEDED = 0x105;
    /// Invalid interrupt vector.
    INVALID_INTERRUPT_VECTOR = 0x108;
    /// Invalid log page.
    INVALID_LOG_PAGE = 0x109;
    /// Firmware activation requires a conventional reset: the image was committed.
    FIRMWARE_NEEDS_CONVENTIONAL_RESET = 0x10B;
    /// Feature not changeable.
    FEATURE_NOT_CHANGEABLE = 0x10E;
    /// Firmware activation requires an NVM subsystem reset: the image was committed.
    FIRMWARE_NEEDS_SUBSYSTEM_RESET = 0x110;
    /// Firmware activation requires a controller level reset: the image was committed.
    FIRMWARE_NEEDS_CONTROLLER_RESET = 0x111;
    /// Conflicting attributes.
    CONFLICTING_ATTRIBUTES = 0x180;
    /// Attempted write to a read only range.
    WRITE_TO_READ_ONLY = 0x182;
}

// Media and data integrity errors (Base 2.0, section 3.3.3.2.1; NVM Command Set 1.0).
status_codes! {
    /// Write fault.
    WRITE_FAULT = 0x280;
    /// Unrecovered read error.
    UNRECOVERED_READ_ERROR = 0x281;
    /// End-to-end guard check error.
    GUARD_CHECK_ERROR = 0x282;
    /// End-to-end application tag check error.
    APPLICATION_TAG_CHECK_ERROR = 0x283;
    /// End-to-end reference tag check error.
    REFERENCE_TAG_CHECK_ERROR = 0x284;
    /// Compare failure.
    COMPARE_FAILURE = 0x285;
    /// Access denied.
    ACCESS_DENIED = 0x286;
    /// Deallocated or unwritten logical block.
    UNWRITTEN_BLOCK = 0x287;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Base 2.0, section 3.3.3.2: P is bit 16 of the dword, SC 24:17, SCT 27:25, CRD 29:28, M 30, DNR 31.
    #[test]
    fn fields_are_where_the_specification_has_them() {
        let status = Status::from_bits((1 << 15) | (1 << 14) | (2 << 12) | (2 << 9) | (0x81 << 1) | 1);
        assert!(status.phase() && status.more() && status.do_not_retry());
        assert_eq!(status.code(), StatusCode::UNRECOVERED_READ_ERROR);
        assert_eq!(status.retry_delay(), 2);
        assert_eq!(status.code().status_code_type(), StatusCode::TYPE_MEDIA);
        assert_eq!(status.code().status_code(), 0x81);
        assert!(!status.is_success());
        assert!(Status::from_bits(1).is_success());
    }
}
