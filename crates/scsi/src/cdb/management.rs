//! Commands that manage the unit: mode and log pages, reservations, and what commands there are (SPC-4 clause 6).

use zerocopy::byteorder::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::{CdbError, SERVICE_ACTION, view};
use crate::sense::FieldPointer;

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ReportSupportedOperationCodes12 {
    opcode: u8,
    service_action: u8,
    options: u8,
    requested_opcode: u8,
    requested_service_action: U16,
    allocation_length: U32,
    reserved: u8,
    control: u8,
}

/// REPORTING OPTIONS: which commands are to be reported.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReportingOptions {
    /// 000b: all.
    All,
    /// 001b: the one with this operation code, which has no service actions.
    Opcode(u8),
    /// 010b: the one with this operation code and service action.
    ServiceAction(u8, u16),
    /// 011b: the one with this operation code and, if it has service actions, this service action.
    Either(u8, u16),
}

/// REPORT SUPPORTED OPERATION CODES (SPC-4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReportSupportedOperationCodes {
    /// REPORTING OPTIONS with what they ask about.
    pub options: ReportingOptions,
    /// RCTD: command timeouts descriptors are wanted.
    pub timeouts: bool,
    /// ALLOCATION LENGTH in bytes.
    pub allocation_length: u32,
}

impl ReportSupportedOperationCodes {
    /// Where REPORTING OPTIONS stands.
    pub const OPTIONS_FIELD: FieldPointer = FieldPointer::bit(2, 2);

    pub(super) fn parse(cdb: &[u8]) -> Result<Self, CdbError> {
        let format = view::<ReportSupportedOperationCodes12>(cdb)?;
        let (opcode, action) = (format.requested_opcode, format.requested_service_action.get());
        let options = match format.options & 0x07 {
            0 => ReportingOptions::All,
            1 => ReportingOptions::Opcode(opcode),
            2 => ReportingOptions::ServiceAction(opcode, action),
            3 => ReportingOptions::Either(opcode, action),
            _ => return Err(CdbError::InvalidField(Self::OPTIONS_FIELD)),
        };
        Ok(Self {
            options,
            timeouts: format.options & 0x80 != 0,
            allocation_length: format.allocation_length.get(),
        })
    }
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Parameters10 {
    opcode: u8,
    flags: u8,
    page: u8,
    subpage: u8,
    byte_4: u8,
    pointer: U16,
    length: U16,
    control: u8,
}

/// MODE SELECT (6) or (10) (SPC-4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ModeSelect {
    /// MODE SELECT (10), hence the longer header.
    pub ten: bool,
    /// PF: the pages are those of the standards.
    pub page_format: bool,
    /// SP: the values are to be saved.
    pub save: bool,
    /// PARAMETER LIST LENGTH in bytes.
    pub parameter_list_length: u16,
}

impl ModeSelect {
    /// Where PF stands.
    pub const PAGE_FORMAT_FIELD: FieldPointer = FieldPointer::bit(1, 4);
    /// Where SP stands.
    pub const SAVE_FIELD: FieldPointer = FieldPointer::bit(1, 0);

    pub(super) fn parse_6(cdb: &[u8]) -> Result<Self, CdbError> {
        let &[_, flags, _, _, length, _] = view::<[u8; 6]>(cdb)?;
        Ok(Self::from_fields(false, flags, u16::from(length)))
    }

    pub(super) fn parse_10(cdb: &[u8]) -> Result<Self, CdbError> {
        let format = view::<Parameters10>(cdb)?;
        Ok(Self::from_fields(true, format.flags, format.length.get()))
    }

    const fn from_fields(ten: bool, flags: u8, parameter_list_length: u16) -> Self {
        Self {
            ten,
            page_format: flags & 0x10 != 0,
            save: flags & 0x01 != 0,
            parameter_list_length,
        }
    }
}

/// LOG SENSE (SPC-4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LogSense {
    /// SP: the parameters are to be saved.
    pub save: bool,
    /// PAGE CODE, six bits.
    pub page: u8,
    /// SUBPAGE CODE.
    pub subpage: u8,
    /// PARAMETER POINTER: the first parameter that is wanted.
    pub parameter_pointer: u16,
    /// ALLOCATION LENGTH in bytes.
    pub allocation_length: u16,
}

impl LogSense {
    /// Where SP stands.
    pub const SAVE_FIELD: FieldPointer = FieldPointer::bit(1, 0);
    /// Where PAGE CODE stands.
    pub const PAGE_CODE_FIELD: FieldPointer = FieldPointer::bit(2, 5);
    /// Where SUBPAGE CODE stands.
    pub const SUBPAGE_CODE_FIELD: FieldPointer = FieldPointer::byte(3);
    /// Where PARAMETER POINTER stands.
    pub const PARAMETER_POINTER_FIELD: FieldPointer = FieldPointer::byte(5);

    pub(super) fn parse(cdb: &[u8]) -> Result<Self, CdbError> {
        let format = view::<Parameters10>(cdb)?;
        Ok(Self {
            save: format.flags & 0x01 != 0,
            page: format.page & 0x3F,
            subpage: format.subpage,
            parameter_pointer: format.pointer.get(),
            allocation_length: format.length.get(),
        })
    }
}

/// PERSISTENT RESERVE IN (SPC-4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PersistentReserveIn {
    /// SERVICE ACTION, five bits.
    pub service_action: u8,
    /// ALLOCATION LENGTH in bytes.
    pub allocation_length: u16,
}

impl PersistentReserveIn {
    /// READ KEYS.
    pub const READ_KEYS: u8 = 0;
    /// READ RESERVATION.
    pub const READ_RESERVATION: u8 = 1;
    /// REPORT CAPABILITIES.
    pub const REPORT_CAPABILITIES: u8 = 2;
    /// READ FULL STATUS.
    pub const READ_FULL_STATUS: u8 = 3;

    pub(super) fn parse(cdb: &[u8]) -> Result<Self, CdbError> {
        let format = view::<Parameters10>(cdb)?;
        let service_action = format.flags & SERVICE_ACTION;
        if service_action > Self::READ_FULL_STATUS {
            return Err(CdbError::UnsupportedServiceAction);
        }
        Ok(Self {
            service_action,
            allocation_length: format.length.get(),
        })
    }
}

/// PERSISTENT RESERVE OUT (SPC-4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PersistentReserveOut {
    /// SERVICE ACTION, five bits.
    pub service_action: u8,
    /// SCOPE, four bits; 0: the logical unit.
    pub scope: u8,
    /// TYPE, four bits.
    pub kind: u8,
    /// PARAMETER LIST LENGTH in bytes.
    pub parameter_list_length: u32,
}

impl PersistentReserveOut {
    /// REGISTER.
    pub const REGISTER: u8 = 0;
    /// RESERVE.
    pub const RESERVE: u8 = 1;
    /// RELEASE.
    pub const RELEASE: u8 = 2;
    /// CLEAR.
    pub const CLEAR: u8 = 3;
    /// PREEMPT.
    pub const PREEMPT: u8 = 4;
    /// PREEMPT AND ABORT.
    pub const PREEMPT_AND_ABORT: u8 = 5;
    /// REGISTER AND IGNORE EXISTING KEY.
    pub const REGISTER_AND_IGNORE_EXISTING_KEY: u8 = 6;
    /// Where SCOPE stands.
    pub const SCOPE_FIELD: FieldPointer = FieldPointer::bit(2, 7);
    /// Where TYPE stands.
    pub const TYPE_FIELD: FieldPointer = FieldPointer::bit(2, 3);
    /// Where PARAMETER LIST LENGTH stands.
    pub const LENGTH_FIELD: FieldPointer = FieldPointer::byte(5);

    pub(super) fn parse(cdb: &[u8]) -> Result<Self, CdbError> {
        let format = view::<Parameters10>(cdb)?;
        let service_action = format.flags & SERVICE_ACTION;
        if service_action > Self::REGISTER_AND_IGNORE_EXISTING_KEY {
            return Err(CdbError::UnsupportedServiceAction);
        }
        let [a, b] = format.pointer.get().to_be_bytes();
        let [c, d] = format.length.get().to_be_bytes();
        Ok(Self {
            service_action,
            scope: format.page >> 4,
            kind: format.page & 0x0F,
            parameter_list_length: u32::from_be_bytes([a, b, c, d]),
        })
    }
}
