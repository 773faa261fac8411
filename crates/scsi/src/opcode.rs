//! Operation codes (SPC-4 clause 6, SBC-3 clause 5; the opcodes are listed in SPC-4 annex E).

/// An operation code: byte 0 of every CDB. Open: an initiator may send any value.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(transparent)]
pub struct Opcode(pub u8);

impl Opcode {
    /// TEST UNIT READY.
    pub const TEST_UNIT_READY: Self = Self(0x00);
    /// REQUEST SENSE.
    pub const REQUEST_SENSE: Self = Self(0x03);
    /// READ (6).
    pub const READ_6: Self = Self(0x08);
    /// WRITE (6).
    pub const WRITE_6: Self = Self(0x0A);
    /// INQUIRY.
    pub const INQUIRY: Self = Self(0x12);
    /// MODE SENSE (6).
    pub const MODE_SENSE_6: Self = Self(0x1A);
    /// START STOP UNIT.
    pub const START_STOP_UNIT: Self = Self(0x1B);
    /// READ CAPACITY (10).
    pub const READ_CAPACITY_10: Self = Self(0x25);
    /// READ (10).
    pub const READ_10: Self = Self(0x28);
    /// WRITE (10).
    pub const WRITE_10: Self = Self(0x2A);
    /// SYNCHRONIZE CACHE (10).
    pub const SYNCHRONIZE_CACHE_10: Self = Self(0x35);
    /// MODE SENSE (10).
    pub const MODE_SENSE_10: Self = Self(0x5A);
    /// READ (16).
    pub const READ_16: Self = Self(0x88);
    /// WRITE (16).
    pub const WRITE_16: Self = Self(0x8A);
    /// SYNCHRONIZE CACHE (16).
    pub const SYNCHRONIZE_CACHE_16: Self = Self(0x91);
    /// SERVICE ACTION IN (16), told apart by [`ServiceActionIn16`].
    pub const SERVICE_ACTION_IN_16: Self = Self(0x9E);
    /// REPORT LUNS.
    pub const REPORT_LUNS: Self = Self(0xA0);
    /// READ (12).
    pub const READ_12: Self = Self(0xA8);
    /// WRITE (12).
    pub const WRITE_12: Self = Self(0xAA);
}

/// A service action of SERVICE ACTION IN (16): bits 4..0 of byte 1. Open.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(transparent)]
pub struct ServiceActionIn16(pub u8);

impl ServiceActionIn16 {
    /// READ CAPACITY (16).
    pub const READ_CAPACITY_16: Self = Self(0x10);
}
