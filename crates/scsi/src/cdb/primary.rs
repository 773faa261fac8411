//! Commands about the unit rather than its blocks (SPC-4 clause 6; SBC-3 clause 5).

use bitfield_struct::bitfield;
use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::{CdbError, view};
use crate::mode;
use crate::sense::FieldPointer;
use crate::vpd;

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RequestSense6 {
    opcode: u8,
    flags: u8,
    reserved: U16,
    allocation_length: u8,
    control: u8,
}

/// REQUEST SENSE (SPC-4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RequestSense {
    /// DESC: descriptor format is wanted, not fixed format.
    pub descriptor_format: bool,
    /// ALLOCATION LENGTH in bytes.
    pub allocation_length: u8,
}

impl RequestSense {
    pub(super) fn parse(cdb: &[u8]) -> Result<Self, CdbError> {
        const DESC: u8 = 0x01;
        let format = view::<RequestSense6>(cdb)?;
        Ok(Self {
            descriptor_format: format.flags & DESC != 0,
            allocation_length: format.allocation_length,
        })
    }
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Inquiry6 {
    opcode: u8,
    flags: u8,
    page_code: u8,
    allocation_length: U16,
    control: u8,
}

/// INQUIRY (SPC-4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Inquiry {
    /// The VPD page asked for (EVPD = 1), or standard INQUIRY data.
    pub page: Option<vpd::PageCode>,
    /// ALLOCATION LENGTH in bytes.
    pub allocation_length: u16,
}

impl Inquiry {
    /// Where PAGE CODE stands.
    pub const PAGE_CODE_FIELD: FieldPointer = FieldPointer::byte(2);

    pub(super) fn parse(cdb: &[u8]) -> Result<Self, CdbError> {
        const EVPD: u8 = 0x01;
        let format = view::<Inquiry6>(cdb)?;
        let page = if format.flags & EVPD != 0 {
            Some(vpd::PageCode(format.page_code))
        } else if format.page_code == 0 {
            None
        } else {
            return Err(CdbError::InvalidField(Self::PAGE_CODE_FIELD));
        };
        Ok(Self {
            page,
            allocation_length: format.allocation_length.get(),
        })
    }
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ReportLuns12 {
    opcode: u8,
    reserved_1: u8,
    select_report: u8,
    reserved_3: [u8; 3],
    allocation_length: U32,
    reserved_10: u8,
    control: u8,
}

/// SELECT REPORT: which LUNs REPORT LUNS is to list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SelectReport {
    /// 00h: all but well known logical units.
    LogicalUnits,
    /// 01h: well known logical units only.
    WellKnown,
    /// 02h: all.
    All,
}

/// REPORT LUNS (SPC-4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReportLuns {
    /// SELECT REPORT.
    pub select_report: SelectReport,
    /// ALLOCATION LENGTH in bytes.
    pub allocation_length: u32,
}

impl ReportLuns {
    pub(super) fn parse(cdb: &[u8]) -> Result<Self, CdbError> {
        let format = view::<ReportLuns12>(cdb)?;
        let select_report = match format.select_report {
            0x00 => SelectReport::LogicalUnits,
            0x01 => SelectReport::WellKnown,
            0x02 => SelectReport::All,
            _ => return Err(CdbError::InvalidField(FieldPointer::byte(2))),
        };
        Ok(Self {
            select_report,
            allocation_length: format.allocation_length.get(),
        })
    }
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ServiceActionIn {
    opcode: u8,
    service_action: u8,
    lba: U64,
    allocation_length: U32,
    flags: u8,
    control: u8,
}

/// READ CAPACITY (16) (SBC-3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReadCapacity16 {
    /// ALLOCATION LENGTH in bytes.
    pub allocation_length: u32,
}

impl ReadCapacity16 {
    pub(super) fn parse(cdb: &[u8]) -> Result<Self, CdbError> {
        let format = view::<ServiceActionIn>(cdb)?;
        Ok(Self {
            allocation_length: format.allocation_length.get(),
        })
    }
}

/// Byte 1 of MODE SENSE.
#[bitfield(u8)]
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
struct ModeSenseFlags {
    #[bits(3)]
    __: u8,
    disable_block_descriptors: bool,
    long_lba_accepted: bool,
    #[bits(3)]
    __: u8,
}

/// Byte 2 of MODE SENSE.
#[bitfield(u8)]
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
struct ModeSensePage {
    #[bits(6)]
    page_code: u8,
    #[bits(2)]
    page_control: u8,
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ModeSense6 {
    opcode: u8,
    flags: ModeSenseFlags,
    page: ModeSensePage,
    subpage_code: u8,
    allocation_length: u8,
    control: u8,
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ModeSense10 {
    opcode: u8,
    flags: ModeSenseFlags,
    page: ModeSensePage,
    subpage_code: u8,
    reserved: [u8; 3],
    allocation_length: U16,
    control: u8,
}

/// Which of the two MODE SENSE commands, hence which header is to be returned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ModeSenseForm {
    /// MODE SENSE (6).
    Six,
    /// MODE SENSE (10).
    Ten {
        /// LLBAA: long LBA block descriptors are accepted.
        long_lba_accepted: bool,
    },
}

/// MODE SENSE (6) or (10) (SPC-4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ModeSense {
    /// (6) or (10).
    pub form: ModeSenseForm,
    /// DBD: no block descriptors are to be returned.
    pub disable_block_descriptors: bool,
    /// PC.
    pub page_control: mode::PageControl,
    /// PAGE CODE.
    pub page: mode::PageCode,
    /// SUBPAGE CODE.
    pub subpage: mode::SubpageCode,
    /// ALLOCATION LENGTH in bytes.
    pub allocation_length: u16,
}

impl ModeSense {
    /// Where PAGE CODE stands.
    pub const PAGE_CODE_FIELD: FieldPointer = FieldPointer::bit(2, 5);
    /// Where SUBPAGE CODE stands.
    pub const SUBPAGE_CODE_FIELD: FieldPointer = FieldPointer::byte(3);

    pub(super) fn parse_6(cdb: &[u8]) -> Result<Self, CdbError> {
        let format = view::<ModeSense6>(cdb)?;
        Ok(Self {
            form: ModeSenseForm::Six,
            disable_block_descriptors: format.flags.disable_block_descriptors(),
            page_control: mode::PageControl::from_bits(format.page.page_control()),
            page: mode::PageCode(format.page.page_code()),
            subpage: mode::SubpageCode(format.subpage_code),
            allocation_length: u16::from(format.allocation_length),
        })
    }

    pub(super) fn parse_10(cdb: &[u8]) -> Result<Self, CdbError> {
        let format = view::<ModeSense10>(cdb)?;
        Ok(Self {
            form: ModeSenseForm::Ten {
                long_lba_accepted: format.flags.long_lba_accepted(),
            },
            disable_block_descriptors: format.flags.disable_block_descriptors(),
            page_control: mode::PageControl::from_bits(format.page.page_control()),
            page: mode::PageCode(format.page.page_code()),
            subpage: mode::SubpageCode(format.subpage_code),
            allocation_length: format.allocation_length.get(),
        })
    }
}

/// POWER CONDITION of START STOP UNIT. Open.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(transparent)]
pub struct PowerCondition(pub u8);

impl PowerCondition {
    /// START and LOEJ are to be processed.
    pub const START_VALID: Self = Self(0x0);
    /// Go to the active power condition.
    pub const ACTIVE: Self = Self(0x1);
    /// Go to an idle power condition.
    pub const IDLE: Self = Self(0x2);
    /// Go to a standby power condition.
    pub const STANDBY: Self = Self(0x3);
    /// Let the logical unit's own timers control power.
    pub const LU_CONTROL: Self = Self(0x7);
}

/// Byte 4 of START STOP UNIT.
#[bitfield(u8)]
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
struct StartStopFlags {
    start: bool,
    load_eject: bool,
    no_flush: bool,
    __: bool,
    #[bits(4)]
    power_condition: u8,
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct StartStopUnit6 {
    opcode: u8,
    immediate: u8,
    reserved: u8,
    modifier: u8,
    flags: StartStopFlags,
    control: u8,
}

/// START STOP UNIT (SBC-3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "these are the command's independent flags"
)]
pub struct StartStopUnit {
    /// IMMED: status may be returned before the operation is complete.
    pub immediate: bool,
    /// POWER CONDITION.
    pub power_condition: PowerCondition,
    /// POWER CONDITION MODIFIER, four bits.
    pub modifier: u8,
    /// `NO_FLUSH`: a stop need not write cached data to the medium.
    pub no_flush: bool,
    /// LOEJ: load or eject the medium.
    pub load_eject: bool,
    /// START: go to the active (1) or stopped (0) power condition.
    pub start: bool,
}

impl StartStopUnit {
    /// Where POWER CONDITION stands.
    pub const POWER_CONDITION_FIELD: FieldPointer = FieldPointer::bit(4, 7);
    /// Where POWER CONDITION MODIFIER stands.
    pub const MODIFIER_FIELD: FieldPointer = FieldPointer::bit(3, 3);
    /// Where LOEJ stands.
    pub const LOAD_EJECT_FIELD: FieldPointer = FieldPointer::bit(4, 1);

    pub(super) fn parse(cdb: &[u8]) -> Result<Self, CdbError> {
        const IMMED: u8 = 0x01;
        const MODIFIER: u8 = 0x0F;
        let format = view::<StartStopUnit6>(cdb)?;
        Ok(Self {
            immediate: format.immediate & IMMED != 0,
            power_condition: PowerCondition(format.flags.power_condition()),
            modifier: format.modifier & MODIFIER,
            no_flush: format.flags.no_flush(),
            load_eject: format.flags.load_eject(),
            start: format.flags.start(),
        })
    }
}
