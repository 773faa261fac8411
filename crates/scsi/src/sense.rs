//! Sense data (SPC-4, "Sense data").

/// A sense key (SPC-4, "Sense key and additional sense code definitions").
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u8)]
pub enum SenseKey {
    /// Nothing to report.
    NoSense = 0x0,
    /// The command succeeded after the device recovered from an error.
    RecoveredError = 0x1,
    /// The logical unit is not accessible.
    NotReady = 0x2,
    /// A flaw in the medium or in the recorded data.
    MediumError = 0x3,
    /// A failure of the device that it could not recover from.
    HardwareError = 0x4,
    /// The CDB or the parameter data are wrong, or the logical unit does not exist.
    IllegalRequest = 0x5,
    /// The state of the logical unit changed.
    UnitAttention = 0x6,
    /// The blocks are protected against this access.
    DataProtect = 0x7,
    /// Vendor specific.
    VendorSpecific = 0x9,
    /// The device server aborted the command; a retry may succeed.
    AbortedCommand = 0xB,
    /// The source data did not match the data read from the medium.
    Miscompare = 0xE,
}

/// ADDITIONAL SENSE CODE and ADDITIONAL SENSE CODE QUALIFIER (SPC-4 annex E). Open.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct AdditionalSense {
    /// ADDITIONAL SENSE CODE.
    pub code: u8,
    /// ADDITIONAL SENSE CODE QUALIFIER.
    pub qualifier: u8,
}

impl AdditionalSense {
    /// 00h/00h.
    pub const NO_ADDITIONAL_SENSE_INFORMATION: Self = Self::new(0x00, 0x00);
    /// 03h/00h.
    pub const PERIPHERAL_DEVICE_WRITE_FAULT: Self = Self::new(0x03, 0x00);
    /// 04h/00h.
    pub const NOT_READY_CAUSE_NOT_REPORTABLE: Self = Self::new(0x04, 0x00);
    /// 04h/01h.
    pub const NOT_READY_BECOMING_READY: Self = Self::new(0x04, 0x01);
    /// 04h/04h.
    pub const NOT_READY_FORMAT_IN_PROGRESS: Self = Self::new(0x04, 0x04);
    /// 04h/09h.
    pub const NOT_READY_SELF_TEST_IN_PROGRESS: Self = Self::new(0x04, 0x09);
    /// 04h/0Ah.
    pub const NOT_READY_ASYMMETRIC_ACCESS_STATE_TRANSITION: Self = Self::new(0x04, 0x0A);
    /// 04h/0Ch.
    pub const NOT_READY_TARGET_PORT_UNAVAILABLE: Self = Self::new(0x04, 0x0C);
    /// 04h/1Bh.
    pub const NOT_READY_SANITIZE_IN_PROGRESS: Self = Self::new(0x04, 0x1B);
    /// 0Bh/08h.
    pub const WARNING_POWER_LOSS_EXPECTED: Self = Self::new(0x0B, 0x08);
    /// 10h/01h.
    pub const LOGICAL_BLOCK_GUARD_CHECK_FAILED: Self = Self::new(0x10, 0x01);
    /// 10h/02h.
    pub const LOGICAL_BLOCK_APPLICATION_TAG_CHECK_FAILED: Self = Self::new(0x10, 0x02);
    /// 10h/03h.
    pub const LOGICAL_BLOCK_REFERENCE_TAG_CHECK_FAILED: Self = Self::new(0x10, 0x03);
    /// 11h/00h.
    pub const UNRECOVERED_READ_ERROR: Self = Self::new(0x11, 0x00);
    /// 1Ah/00h.
    pub const PARAMETER_LIST_LENGTH_ERROR: Self = Self::new(0x1A, 0x00);
    /// 1Dh/00h.
    pub const MISCOMPARE_DURING_VERIFY: Self = Self::new(0x1D, 0x00);
    /// 20h/00h.
    pub const INVALID_COMMAND_OPERATION_CODE: Self = Self::new(0x20, 0x00);
    /// 20h/02h.
    pub const ACCESS_DENIED_NO_ACCESS_RIGHTS: Self = Self::new(0x20, 0x02);
    /// 20h/09h.
    pub const ACCESS_DENIED_INVALID_LU_IDENTIFIER: Self = Self::new(0x20, 0x09);
    /// 21h/00h.
    pub const LBA_OUT_OF_RANGE: Self = Self::new(0x21, 0x00);
    /// 24h/00h.
    pub const INVALID_FIELD_IN_CDB: Self = Self::new(0x24, 0x00);
    /// 25h/00h.
    pub const LOGICAL_UNIT_NOT_SUPPORTED: Self = Self::new(0x25, 0x00);
    /// 26h/00h.
    pub const INVALID_FIELD_IN_PARAMETER_LIST: Self = Self::new(0x26, 0x00);
    /// 26h/04h.
    pub const INVALID_RELEASE_OF_PERSISTENT_RESERVATION: Self = Self::new(0x26, 0x04);
    /// 27h/00h.
    pub const WRITE_PROTECTED: Self = Self::new(0x27, 0x00);
    /// 27h/07h.
    pub const SPACE_ALLOCATION_FAILED_WRITE_PROTECT: Self = Self::new(0x27, 0x07);
    /// 2Ch/00h.
    pub const COMMAND_SEQUENCE_ERROR: Self = Self::new(0x2C, 0x00);
    /// 31h/01h.
    pub const FORMAT_COMMAND_FAILED: Self = Self::new(0x31, 0x01);
    /// 31h/03h.
    pub const SANITIZE_COMMAND_FAILED: Self = Self::new(0x31, 0x03);
    /// 39h/00h.
    pub const SAVING_PARAMETERS_NOT_SUPPORTED: Self = Self::new(0x39, 0x00);
    /// 44h/00h.
    pub const INTERNAL_TARGET_FAILURE: Self = Self::new(0x44, 0x00);

    /// Code and qualifier as they stand in the sense data.
    #[must_use]
    pub const fn new(code: u8, qualifier: u8) -> Self {
        Self { code, qualifier }
    }
}

/// Which field of the CDB was wrong (SPC-4, "Field pointer sense key specific data").
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct FieldPointer {
    /// Offset of the field's first (most significant) byte in the CDB.
    pub byte: u16,
    /// The field's most significant bit, 0 to 7, for a field smaller than a byte.
    pub bit: Option<u8>,
}

impl FieldPointer {
    /// Points at a field that begins a byte.
    #[must_use]
    pub const fn byte(byte: u16) -> Self {
        Self { byte, bit: None }
    }

    /// Points at a field whose most significant bit is `bit` of `byte`.
    #[must_use]
    pub const fn bit(byte: u16, bit: u8) -> Self {
        Self { byte, bit: Some(bit) }
    }

    /// The three bytes of sense-key specific data: SKSV, C/D = CDB, BPV, BIT POINTER, FIELD POINTER.
    const fn to_sense_key_specific(self) -> [u8; 3] {
        const SENSE_KEY_SPECIFIC_VALID: u8 = 0x80;
        const COMMAND_NOT_DATA: u8 = 0x40;
        const BIT_POINTER_VALID: u8 = 0x08;
        let flags = match self.bit {
            Some(bit) => SENSE_KEY_SPECIFIC_VALID | COMMAND_NOT_DATA | BIT_POINTER_VALID | (bit & 0x07),
            None => SENSE_KEY_SPECIFIC_VALID | COMMAND_NOT_DATA,
        };
        let [high, low] = self.byte.to_be_bytes();
        [flags, high, low]
    }
}

/// What a command that did not succeed has to tell.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Sense {
    /// The sense key.
    pub key: SenseKey,
    /// Additional sense code and qualifier.
    pub additional: AdditionalSense,
    /// The wrong field of the CDB; only with ILLEGAL REQUEST.
    pub field: Option<FieldPointer>,
}

impl Sense {
    /// Length in bytes of [`Sense::to_fixed`].
    pub const FIXED_LENGTH: usize = 18;
    /// Length in bytes of [`Sense::to_descriptor`].
    pub const DESCRIPTOR_LENGTH: usize = 8;
    /// NO SENSE: nothing to report.
    pub const NONE: Self = Self::new(
        SenseKey::NoSense,
        AdditionalSense::NO_ADDITIONAL_SENSE_INFORMATION,
    );
    /// The operation code is not supported.
    pub const INVALID_OPCODE: Self = Self::new(
        SenseKey::IllegalRequest,
        AdditionalSense::INVALID_COMMAND_OPERATION_CODE,
    );
    /// The logical unit does not exist.
    pub const LOGICAL_UNIT_NOT_SUPPORTED: Self = Self::new(
        SenseKey::IllegalRequest,
        AdditionalSense::LOGICAL_UNIT_NOT_SUPPORTED,
    );
    /// The LBA, or the LBA plus the number of blocks, lies beyond the capacity.
    pub const LBA_OUT_OF_RANGE: Self = Self::new(SenseKey::IllegalRequest, AdditionalSense::LBA_OUT_OF_RANGE);
    /// The logical unit is write protected.
    pub const WRITE_PROTECTED: Self = Self::new(SenseKey::DataProtect, AdditionalSense::WRITE_PROTECTED);
    /// Saved mode pages do not exist.
    pub const SAVING_PARAMETERS_NOT_SUPPORTED: Self = Self::new(
        SenseKey::IllegalRequest,
        AdditionalSense::SAVING_PARAMETERS_NOT_SUPPORTED,
    );

    /// The parameter list is shorter than what it says or than it must be, or is cut in the middle of a field.
    pub const PARAMETER_LIST_LENGTH_ERROR: Self = Self::new(
        SenseKey::IllegalRequest,
        AdditionalSense::PARAMETER_LIST_LENGTH_ERROR,
    );
    /// A field of the parameter list has a value that is not accepted.
    pub const INVALID_FIELD_IN_PARAMETER_LIST: Self = Self::new(
        SenseKey::IllegalRequest,
        AdditionalSense::INVALID_FIELD_IN_PARAMETER_LIST,
    );

    /// Sense data without a field pointer.
    #[must_use]
    pub const fn new(key: SenseKey, additional: AdditionalSense) -> Self {
        Self {
            key,
            additional,
            field: None,
        }
    }

    /// ILLEGAL REQUEST, INVALID FIELD IN CDB, pointing at the field.
    #[must_use]
    pub const fn invalid_field(field: FieldPointer) -> Self {
        Self {
            key: SenseKey::IllegalRequest,
            additional: AdditionalSense::INVALID_FIELD_IN_CDB,
            field: Some(field),
        }
    }

    /// Current error in fixed format (SPC-4, "Fixed format sense data").
    #[must_use]
    pub const fn to_fixed(self) -> [u8; Self::FIXED_LENGTH] {
        self.to_fixed_with(self.sense_key_specific())
    }

    /// [`Sense::to_fixed`] with other sense key specific data.
    #[must_use]
    #[inline(never)]
    pub const fn to_fixed_with(self, specific: [u8; 3]) -> [u8; Self::FIXED_LENGTH] {
        const CURRENT_FIXED: u8 = 0x70;
        // Bytes that follow byte 7.
        const ADDITIONAL_LENGTH: u8 = 10;
        let [specific, field_high, field_low] = specific;
        [
            CURRENT_FIXED,
            0,
            self.key as u8,
            0,
            0,
            0,
            0,
            ADDITIONAL_LENGTH,
            0,
            0,
            0,
            0,
            self.additional.code,
            self.additional.qualifier,
            0,
            specific,
            field_high,
            field_low,
        ]
    }

    /// Current error in descriptor format without descriptors (SPC-4, "Descriptor format sense data").
    #[must_use]
    pub const fn to_descriptor(self) -> [u8; Self::DESCRIPTOR_LENGTH] {
        const CURRENT_DESCRIPTOR: u8 = 0x72;
        [
            CURRENT_DESCRIPTOR,
            self.key as u8,
            self.additional.code,
            self.additional.qualifier,
            0,
            0,
            0,
            0,
        ]
    }

    /// PROGRESS INDICATION as sense key specific data (SPC-4): so many of 65,536 parts are done.
    #[must_use]
    pub const fn progress(progress: u16) -> [u8; 3] {
        const SENSE_KEY_SPECIFIC_VALID: u8 = 0x80;
        let [high, low] = progress.to_be_bytes();
        [SENSE_KEY_SPECIFIC_VALID, high, low]
    }

    /// [`Sense::to_descriptor`] with a sense key specific descriptor.
    #[must_use]
    pub const fn to_descriptor_with(self, specific: [u8; 3]) -> [u8; 16] {
        const CURRENT_DESCRIPTOR: u8 = 0x72;
        let [valid, high, low] = specific;
        let (code, qualifier) = (self.additional.code, self.additional.qualifier);
        // The header with ADDITIONAL SENSE LENGTH, then a descriptor of type 02h.
        [
            CURRENT_DESCRIPTOR,
            self.key as u8,
            code,
            qualifier,
            0,
            0,
            0,
            8,
            0x02,
            6,
            0,
            0,
            valid,
            high,
            low,
            0,
        ]
    }

    const fn sense_key_specific(self) -> [u8; 3] {
        match self.field {
            Some(field) => field.to_sense_key_specific(),
            None => [0; 3],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_format_places_key_code_and_qualifier() {
        let bytes = Sense::new(SenseKey::NotReady, AdditionalSense::new(0x04, 0x01)).to_fixed();
        assert_eq!(
            bytes,
            [0x70, 0, 0x02, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x04, 0x01, 0, 0, 0, 0]
        );
    }

    #[test]
    fn field_pointer_of_a_whole_byte_leaves_bit_pointer_invalid() {
        let bytes = Sense::invalid_field(FieldPointer::byte(0x0102)).to_fixed();
        assert_eq!((bytes[2], bytes[12], bytes[13]), (0x05, 0x24, 0x00));
        assert_eq!(bytes[15..18], [0xC0, 0x01, 0x02]);
    }

    #[test]
    fn field_pointer_with_bit_sets_bpv_and_keeps_three_bits() {
        assert_eq!(
            Sense::invalid_field(FieldPointer::bit(1, 7)).to_fixed()[15..18],
            [0xCF, 0, 1]
        );
        assert_eq!(
            Sense::invalid_field(FieldPointer::bit(1, 9)).to_fixed()[15..18],
            [0xC9, 0, 1]
        );
    }

    /// SPC-4, "Progress indication sense key specific data".
    #[test]
    fn progress_is_sense_key_specific_data() {
        let sense = Sense::new(
            SenseKey::NotReady,
            AdditionalSense::NOT_READY_SANITIZE_IN_PROGRESS,
        );
        let fixed = sense.to_fixed_with(Sense::progress(0x1234));
        assert_eq!(fixed[..15], sense.to_fixed()[..15]);
        assert_eq!(fixed[15..], [0x80, 0x12, 0x34]);
        assert_eq!(
            sense.to_descriptor_with(Sense::progress(0x1234)),
            [
                0x72, 0x02, 0x04, 0x1B, 0, 0, 0, 8, 2, 6, 0, 0, 0x80, 0x12, 0x34, 0
            ]
        );
    }

    #[test]
    fn descriptor_format_places_key_code_and_qualifier() {
        assert_eq!(
            Sense::LBA_OUT_OF_RANGE.to_descriptor(),
            [0x72, 0x05, 0x21, 0, 0, 0, 0, 0]
        );
    }
}
