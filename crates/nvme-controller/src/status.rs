//! Status codes (NVM Express Base 1.4, 4.6.1; NVM command set 6).

/// A status: code, and what kind of code it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Status Code Type: 0 generic, 1 command specific, 2 media and data integrity.
    pub kind: u8,
    /// Status Code.
    pub code: u8,
    /// Do Not Retry.
    pub final_: bool,
}

impl Status {
    const fn generic(code: u8) -> Self {
        Self {
            kind: 0,
            code,
            final_: true,
        }
    }

    const fn specific(code: u8) -> Self {
        Self {
            kind: 1,
            code,
            final_: true,
        }
    }

    const fn media(code: u8) -> Self {
        Self {
            kind: 2,
            code,
            final_: true,
        }
    }

    pub(crate) const SUCCESS: Self = Self {
        kind: 0,
        code: 0,
        final_: false,
    };
    pub(crate) const INVALID_OPCODE: Self = Self::generic(0x01);
    pub(crate) const INVALID_FIELD: Self = Self::generic(0x02);
    pub(crate) const DATA_TRANSFER_ERROR: Self = Self {
        final_: false,
        ..Self::generic(0x04)
    };
    pub(crate) const INTERNAL_ERROR: Self = Self {
        final_: false,
        ..Self::generic(0x06)
    };
    pub(crate) const ABORT_REQUESTED: Self = Self {
        final_: false,
        ..Self::generic(0x07)
    };
    pub(crate) const SQ_DELETED: Self = Self {
        final_: false,
        ..Self::generic(0x08)
    };
    pub(crate) const FAILED_FUSED: Self = Self {
        final_: false,
        ..Self::generic(0x09)
    };
    pub(crate) const MISSING_FUSED: Self = Self::generic(0x0A);
    pub(crate) const INVALID_NAMESPACE: Self = Self::generic(0x0B);
    pub(crate) const COMMAND_SEQUENCE: Self = Self::generic(0x0C);
    pub(crate) const INVALID_SGL_SEGMENT: Self = Self::generic(0x0D);
    pub(crate) const DATA_SGL_LENGTH: Self = Self::generic(0x0F);
    pub(crate) const SGL_DESCRIPTOR_TYPE: Self = Self::generic(0x11);
    pub(crate) const INVALID_PRP_OFFSET: Self = Self::generic(0x13);
    pub(crate) const SANITIZE_FAILED: Self = Self::generic(0x1C);
    pub(crate) const SANITIZE_IN_PROGRESS: Self = Self {
        final_: false,
        ..Self::generic(0x1D)
    };
    pub(crate) const LBA_OUT_OF_RANGE: Self = Self::generic(0x80);
    pub(crate) const RESERVATION_CONFLICT: Self = Self::generic(0x83);

    pub(crate) const COMPLETION_QUEUE_INVALID: Self = Self::specific(0x00);
    pub(crate) const INVALID_QUEUE_ID: Self = Self::specific(0x01);
    pub(crate) const INVALID_QUEUE_SIZE: Self = Self::specific(0x02);
    pub(crate) const EVENT_LIMIT: Self = Self::specific(0x05);
    pub(crate) const INVALID_FIRMWARE_SLOT: Self = Self::specific(0x06);
    pub(crate) const INVALID_FIRMWARE_IMAGE: Self = Self::specific(0x07);
    pub(crate) const INVALID_VECTOR: Self = Self::specific(0x08);
    pub(crate) const INVALID_LOG_PAGE: Self = Self::specific(0x09);
    pub(crate) const INVALID_FORMAT: Self = Self::specific(0x0A);
    pub(crate) const INVALID_QUEUE_DELETION: Self = Self::specific(0x0C);
    pub(crate) const FEATURE_NOT_SAVEABLE: Self = Self::specific(0x0D);
    pub(crate) const FEATURE_NOT_CHANGEABLE: Self = Self::specific(0x0E);
    pub(crate) const FIRMWARE_NEEDS_RESET: Self = Self::specific(0x11);
    pub(crate) const OVERLAPPING_RANGE: Self = Self::specific(0x14);

    pub(crate) const WRITE_FAULT: Self = Self::media(0x80);
    pub(crate) const READ_ERROR: Self = Self::media(0x81);
    pub(crate) const COMPARE_FAILURE: Self = Self::media(0x85);

    /// Any status.
    #[must_use]
    pub const fn new(kind: u8, code: u8, do_not_retry: bool) -> Self {
        Self {
            kind: kind & 7,
            code,
            final_: do_not_retry,
        }
    }

    /// The status field of a completion: bits 15:1 of its last word.
    pub(crate) fn field(self) -> u16 {
        u16::from(self.code) << 1 | u16::from(self.kind) << 9 | u16::from(self.final_) << 15
    }
}
