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
    /// MODE SELECT (6).
    pub const MODE_SELECT_6: Self = Self(0x15);
    /// MODE SENSE (6).
    pub const MODE_SENSE_6: Self = Self(0x1A);
    /// START STOP UNIT.
    pub const START_STOP_UNIT: Self = Self(0x1B);
    /// SEND DIAGNOSTIC.
    pub const SEND_DIAGNOSTIC: Self = Self(0x1D);
    /// READ CAPACITY (10).
    pub const READ_CAPACITY_10: Self = Self(0x25);
    /// READ (10).
    pub const READ_10: Self = Self(0x28);
    /// WRITE (10).
    pub const WRITE_10: Self = Self(0x2A);
    /// WRITE AND VERIFY (10).
    pub const WRITE_AND_VERIFY_10: Self = Self(0x2E);
    /// VERIFY (10).
    pub const VERIFY_10: Self = Self(0x2F);
    /// PRE-FETCH (10).
    pub const PRE_FETCH_10: Self = Self(0x34);
    /// SYNCHRONIZE CACHE (10).
    pub const SYNCHRONIZE_CACHE_10: Self = Self(0x35);
    /// WRITE BUFFER.
    pub const WRITE_BUFFER: Self = Self(0x3B);
    /// WRITE SAME (10).
    pub const WRITE_SAME_10: Self = Self(0x41);
    /// UNMAP.
    pub const UNMAP: Self = Self(0x42);
    /// SANITIZE.
    pub const SANITIZE: Self = Self(0x48);
    /// LOG SENSE.
    pub const LOG_SENSE: Self = Self(0x4D);
    /// MODE SELECT (10).
    pub const MODE_SELECT_10: Self = Self(0x55);
    /// MODE SENSE (10).
    pub const MODE_SENSE_10: Self = Self(0x5A);
    /// PERSISTENT RESERVE IN.
    pub const PERSISTENT_RESERVE_IN: Self = Self(0x5E);
    /// PERSISTENT RESERVE OUT.
    pub const PERSISTENT_RESERVE_OUT: Self = Self(0x5F);
    /// READ (16).
    pub const READ_16: Self = Self(0x88);
    /// COMPARE AND WRITE.
    pub const COMPARE_AND_WRITE: Self = Self(0x89);
    /// WRITE (16).
    pub const WRITE_16: Self = Self(0x8A);
    /// WRITE AND VERIFY (16).
    pub const WRITE_AND_VERIFY_16: Self = Self(0x8E);
    /// VERIFY (16).
    pub const VERIFY_16: Self = Self(0x8F);
    /// PRE-FETCH (16).
    pub const PRE_FETCH_16: Self = Self(0x90);
    /// SYNCHRONIZE CACHE (16).
    pub const SYNCHRONIZE_CACHE_16: Self = Self(0x91);
    /// WRITE SAME (16).
    pub const WRITE_SAME_16: Self = Self(0x93);
    /// SERVICE ACTION IN (16), told apart by [`ServiceActionIn16`].
    pub const SERVICE_ACTION_IN_16: Self = Self(0x9E);
    /// REPORT LUNS.
    pub const REPORT_LUNS: Self = Self(0xA0);
    /// SECURITY PROTOCOL IN.
    pub const SECURITY_PROTOCOL_IN: Self = Self(0xA2);
    /// MAINTENANCE IN, told apart by its service action.
    pub const MAINTENANCE_IN: Self = Self(0xA3);
    /// READ (12).
    pub const READ_12: Self = Self(0xA8);
    /// WRITE (12).
    pub const WRITE_12: Self = Self(0xAA);
    /// WRITE AND VERIFY (12).
    pub const WRITE_AND_VERIFY_12: Self = Self(0xAE);
    /// VERIFY (12).
    pub const VERIFY_12: Self = Self(0xAF);
    /// SECURITY PROTOCOL OUT.
    pub const SECURITY_PROTOCOL_OUT: Self = Self(0xB5);
}

/// A service action of SERVICE ACTION IN (16): bits 4..0 of byte 1. Open.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(transparent)]
pub struct ServiceActionIn16(pub u8);

impl ServiceActionIn16 {
    /// READ CAPACITY (16).
    pub const READ_CAPACITY_16: Self = Self(0x10);
    /// GET LBA STATUS.
    pub const GET_LBA_STATUS: Self = Self(0x12);
}

/// REPORT SUPPORTED OPERATION CODES, a service action of MAINTENANCE IN.
pub const REPORT_SUPPORTED_OPERATION_CODES: u8 = 0x0C;
