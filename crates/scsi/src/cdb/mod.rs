//! Command descriptor blocks: bytes of any length and content become a [`Command`] or a [`CdbError`].

mod blocks;
mod device;
mod management;
mod media;
mod primary;
#[cfg(test)]
mod tests;

pub use blocks::{ByteCheck, GetLbaStatus, Unmap, Verify, WriteSame};
pub use device::{Sanitize, SanitizeAction, SecurityProtocol, WriteBuffer, WriteBufferMode};
pub use management::{
    LogSense, ModeSelect, PersistentReserveIn, PersistentReserveOut, ReportSupportedOperationCodes,
    ReportingOptions,
};
pub use media::{MediaAccess, SynchronizeCache};
pub use primary::{
    Inquiry, ModeSense, ModeSenseForm, PowerCondition, ReadCapacity16, ReportLuns, RequestSense,
    SelectReport, StartStopUnit,
};

use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use blocks::Size;

use crate::opcode::{Opcode, REPORT_SUPPORTED_OPERATION_CODES, ServiceActionIn16};
use crate::sense::{FieldPointer, Sense};

/// Bits of the SERVICE ACTION field in byte 1.
const SERVICE_ACTION: u8 = 0x1F;

/// A parsed CDB. Fields that the standards reserve or declare obsolete are ignored, as SPC-4 permits
/// ("reserved" and "obsolete" in its keywords).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Command {
    /// TEST UNIT READY.
    TestUnitReady,
    /// REQUEST SENSE.
    RequestSense(RequestSense),
    /// INQUIRY.
    Inquiry(Inquiry),
    /// REPORT LUNS.
    ReportLuns(ReportLuns),
    /// READ CAPACITY (10).
    ReadCapacity10,
    /// READ CAPACITY (16).
    ReadCapacity16(ReadCapacity16),
    /// MODE SENSE (6) or (10).
    ModeSense(ModeSense),
    /// READ (6), (10), (12) or (16).
    Read(MediaAccess),
    /// WRITE (6), (10), (12) or (16).
    Write(MediaAccess),
    /// SYNCHRONIZE CACHE (10) or (16).
    SynchronizeCache(SynchronizeCache),
    /// START STOP UNIT.
    StartStopUnit(StartStopUnit),
    /// VERIFY (10), (12) or (16).
    Verify(Verify),
    /// WRITE AND VERIFY (10), (12) or (16).
    WriteAndVerify(Verify),
    /// WRITE SAME (10) or (16).
    WriteSame(WriteSame),
    /// COMPARE AND WRITE; `blocks` are compared, and as many written.
    CompareAndWrite(MediaAccess),
    /// PRE-FETCH (10) or (16).
    PreFetch(MediaAccess),
    /// UNMAP.
    Unmap(Unmap),
    /// GET LBA STATUS.
    GetLbaStatus(GetLbaStatus),
    /// REPORT SUPPORTED OPERATION CODES.
    ReportSupportedOperationCodes(ReportSupportedOperationCodes),
    /// MODE SELECT (6) or (10).
    ModeSelect(ModeSelect),
    /// LOG SENSE.
    LogSense(LogSense),
    /// PERSISTENT RESERVE IN.
    PersistentReserveIn(PersistentReserveIn),
    /// PERSISTENT RESERVE OUT.
    PersistentReserveOut(PersistentReserveOut),
    /// SECURITY PROTOCOL IN.
    SecurityProtocolIn(SecurityProtocol),
    /// SECURITY PROTOCOL OUT.
    SecurityProtocolOut(SecurityProtocol),
    /// WRITE BUFFER of microcode.
    WriteBuffer(WriteBuffer),
    /// SANITIZE.
    Sanitize(Sanitize),
}

/// Why bytes are not a command that this crate knows.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum CdbError {
    /// The operation code is not known, or there is none.
    UnsupportedOpcode,
    /// The operation code is known, its service action is not.
    UnsupportedServiceAction,
    /// The CDB ends after `length` bytes, before its operation code's format does.
    Truncated {
        /// Bytes that there are.
        length: u16,
    },
    /// A field has a value that this crate does not accept.
    InvalidField(FieldPointer),
}

impl CdbError {
    /// The sense data that tells an initiator (SPC-4, additional sense codes in annex E).
    #[must_use]
    pub const fn sense(self) -> Sense {
        match self {
            Self::UnsupportedOpcode => Sense::INVALID_OPCODE,
            Self::UnsupportedServiceAction => Sense::invalid_field(FieldPointer::bit(1, 4)),
            Self::Truncated { length } => Sense::invalid_field(FieldPointer::byte(length)),
            Self::InvalidField(field) => Sense::invalid_field(field),
        }
    }
}

impl Command {
    /// Parses a CDB; bytes behind the length that its operation code implies are ignored.
    ///
    /// # Errors
    ///
    /// See [`CdbError`]; [`CdbError::sense`] is what the initiator is to be told.
    pub fn parse(cdb: &[u8]) -> Result<Self, CdbError> {
        let Some(&opcode) = cdb.first() else {
            return Err(CdbError::UnsupportedOpcode);
        };
        let command = match Opcode(opcode) {
            Opcode::TEST_UNIT_READY => Self::TestUnitReady,
            Opcode::REQUEST_SENSE => Self::RequestSense(RequestSense::parse(cdb)?),
            Opcode::INQUIRY => Self::Inquiry(Inquiry::parse(cdb)?),
            Opcode::REPORT_LUNS => Self::ReportLuns(ReportLuns::parse(cdb)?),
            Opcode::READ_CAPACITY_10 => Self::ReadCapacity10,
            Opcode::SERVICE_ACTION_IN_16 => Self::parse_service_action_in_16(cdb)?,
            Opcode::MODE_SENSE_6 => Self::ModeSense(ModeSense::parse_6(cdb)?),
            Opcode::MODE_SENSE_10 => Self::ModeSense(ModeSense::parse_10(cdb)?),
            Opcode::READ_6 => Self::Read(MediaAccess::parse_6(cdb)?),
            Opcode::READ_10 => Self::Read(MediaAccess::parse_10(cdb)?),
            Opcode::READ_12 => Self::Read(MediaAccess::parse_12(cdb)?),
            Opcode::READ_16 => Self::Read(MediaAccess::parse_16(cdb)?),
            Opcode::WRITE_6 => Self::Write(MediaAccess::parse_6(cdb)?),
            Opcode::WRITE_10 => Self::Write(MediaAccess::parse_10(cdb)?),
            Opcode::WRITE_12 => Self::Write(MediaAccess::parse_12(cdb)?),
            Opcode::WRITE_16 => Self::Write(MediaAccess::parse_16(cdb)?),
            Opcode::SYNCHRONIZE_CACHE_10 => Self::SynchronizeCache(SynchronizeCache::parse_10(cdb)?),
            Opcode::SYNCHRONIZE_CACHE_16 => Self::SynchronizeCache(SynchronizeCache::parse_16(cdb)?),
            Opcode::START_STOP_UNIT => Self::StartStopUnit(StartStopUnit::parse(cdb)?),
            Opcode::VERIFY_10 => Self::Verify(Verify::parse(cdb, Size::Ten)?),
            Opcode::VERIFY_12 => Self::Verify(Verify::parse(cdb, Size::Twelve)?),
            Opcode::VERIFY_16 => Self::Verify(Verify::parse(cdb, Size::Sixteen)?),
            Opcode::WRITE_AND_VERIFY_10 => Self::WriteAndVerify(Verify::parse(cdb, Size::Ten)?),
            Opcode::WRITE_AND_VERIFY_12 => Self::WriteAndVerify(Verify::parse(cdb, Size::Twelve)?),
            Opcode::WRITE_AND_VERIFY_16 => Self::WriteAndVerify(Verify::parse(cdb, Size::Sixteen)?),
            Opcode::WRITE_SAME_10 => Self::WriteSame(WriteSame::parse(cdb, Size::Ten)?),
            Opcode::WRITE_SAME_16 => Self::WriteSame(WriteSame::parse(cdb, Size::Sixteen)?),
            Opcode::COMPARE_AND_WRITE => Self::CompareAndWrite(blocks::parse_compare_and_write(cdb)?),
            Opcode::PRE_FETCH_10 => Self::PreFetch(blocks::parse_pre_fetch(cdb, Size::Ten)?),
            Opcode::PRE_FETCH_16 => Self::PreFetch(blocks::parse_pre_fetch(cdb, Size::Sixteen)?),
            Opcode::UNMAP => Self::Unmap(Unmap::parse(cdb)?),
            Opcode::MAINTENANCE_IN => Self::parse_maintenance_in(cdb)?,
            Opcode::MODE_SELECT_6 => Self::ModeSelect(ModeSelect::parse_6(cdb)?),
            Opcode::MODE_SELECT_10 => Self::ModeSelect(ModeSelect::parse_10(cdb)?),
            Opcode::LOG_SENSE => Self::LogSense(LogSense::parse(cdb)?),
            Opcode::PERSISTENT_RESERVE_IN => Self::PersistentReserveIn(PersistentReserveIn::parse(cdb)?),
            Opcode::PERSISTENT_RESERVE_OUT => Self::PersistentReserveOut(PersistentReserveOut::parse(cdb)?),
            Opcode::SECURITY_PROTOCOL_IN => Self::SecurityProtocolIn(SecurityProtocol::parse(cdb)?),
            Opcode::SECURITY_PROTOCOL_OUT => Self::SecurityProtocolOut(SecurityProtocol::parse(cdb)?),
            Opcode::WRITE_BUFFER => Self::WriteBuffer(WriteBuffer::parse(cdb)?),
            Opcode::SANITIZE => Self::Sanitize(Sanitize::parse(cdb)?),
            _ => return Err(CdbError::UnsupportedOpcode),
        };
        check_control(opcode, cdb)?;
        Ok(command)
    }

    fn parse_service_action_in_16(cdb: &[u8]) -> Result<Self, CdbError> {
        let Some(&byte) = cdb.get(1) else {
            return Err(truncated(cdb));
        };
        match ServiceActionIn16(byte & SERVICE_ACTION) {
            ServiceActionIn16::READ_CAPACITY_16 => Ok(Self::ReadCapacity16(ReadCapacity16::parse(cdb)?)),
            ServiceActionIn16::GET_LBA_STATUS => Ok(Self::GetLbaStatus(GetLbaStatus::parse(cdb)?)),
            _ => Err(CdbError::UnsupportedServiceAction),
        }
    }
}

impl Command {
    fn parse_maintenance_in(cdb: &[u8]) -> Result<Self, CdbError> {
        match cdb.get(1) {
            None => Err(truncated(cdb)),
            Some(byte) if byte & SERVICE_ACTION == REPORT_SUPPORTED_OPERATION_CODES => {
                let command = ReportSupportedOperationCodes::parse(cdb)?;
                Ok(Self::ReportSupportedOperationCodes(command))
            }
            Some(_) => Err(CdbError::UnsupportedServiceAction),
        }
    }
}

/// Views the beginning of `cdb` as one of the formats.
fn view<T>(cdb: &[u8]) -> Result<&T, CdbError>
where
    T: FromBytes + Immutable + KnownLayout + Unaligned,
{
    match T::ref_from_prefix(cdb) {
        Ok((format, _)) => Ok(format),
        Err(_) => Err(truncated(cdb)),
    }
}

fn truncated(cdb: &[u8]) -> CdbError {
    CdbError::Truncated {
        length: u16::try_from(cdb.len()).unwrap_or(u16::MAX),
    }
}

/// The CONTROL byte ends every CDB. NACA = 1 asks for an ACA condition, which a unit that reports NORMACA = 0
/// must refuse (SAM-5, "CONTROL byte").
fn check_control(opcode: u8, cdb: &[u8]) -> Result<(), CdbError> {
    const NACA: u8 = 0x04;
    const NACA_BIT: u8 = 2;
    // The group code, bits 7..5 of the operation code, implies the length (SPC-4, "Operation code").
    let last: u8 = match opcode >> 5 {
        0 => 5,
        1 | 2 => 9,
        4 => 15,
        5 => 11,
        _ => return Ok(()),
    };
    match cdb.get(usize::from(last)) {
        None => Err(truncated(cdb)),
        Some(control) if control & NACA != 0 => Err(CdbError::InvalidField(FieldPointer::bit(
            u16::from(last),
            NACA_BIT,
        ))),
        Some(_) => Ok(()),
    }
}
