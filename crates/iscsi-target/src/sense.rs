//! Sense data that the target makes itself, in fixed format (SPC-4, 4.5.3).

/// Sense key, additional sense code, qualifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sense(pub u8, pub u8, pub u8);

/// The codes that iSCSI prescribes (RFC 7143, 11.4.7.2), and those of a target that has to refuse.
impl Sense {
    /// The data digest was wrong.
    pub const PROTOCOL_SERVICE_CRC_ERROR: Self = Self(0x0B, 0x47, 0x05);
    /// Unsolicited data that was not allowed.
    pub const UNEXPECTED_UNSOLICITED_DATA: Self = Self(0x0B, 0x0C, 0x0C);
    /// Too much or too little data, or data out of order.
    pub const INCORRECT_AMOUNT_OF_DATA: Self = Self(0x0B, 0x0C, 0x0D);
    /// A field of the CDB.
    pub const INVALID_FIELD_IN_CDB: Self = Self(0x05, 0x24, 0x00);
    /// The expected length does not suit the CDB.
    pub const INVALID_FIELD_IN_INFORMATION_UNIT: Self = Self(0x05, 0x0E, 0x03);
    /// No such logical unit.
    pub const LOGICAL_UNIT_NOT_SUPPORTED: Self = Self(0x05, 0x25, 0x00);
    /// No such command.
    pub const INVALID_OPERATION_CODE: Self = Self(0x05, 0x20, 0x00);
    /// Aborted for no better reason.
    pub const ABORTED: Self = Self(0x0B, 0x00, 0x00);
    /// Aborted: it took too long.
    pub const TIMED_OUT: Self = Self(0x0B, 0x2E, 0x02);
    /// Something below failed.
    pub const INTERNAL_TARGET_FAILURE: Self = Self(0x04, 0x44, 0x00);
    /// No room for another registration.
    pub const INSUFFICIENT_REGISTRATION_RESOURCES: Self = Self(0x05, 0x55, 0x04);

    /// As sense data.
    #[must_use]
    pub fn data(self) -> [u8; 18] {
        let mut data = [0; 18];
        (data[0], data[2], data[7], data[12], data[13]) = (0x70, self.0, 10, self.1, self.2);
        data
    }
}
