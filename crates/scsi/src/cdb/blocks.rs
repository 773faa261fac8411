//! Commands on blocks beside READ and WRITE: VERIFY, WRITE AND VERIFY, WRITE SAME, COMPARE AND WRITE, PRE-FETCH, UNMAP and
//! GET LBA STATUS (SBC-3 clause 5).
//!
//! But for COMPARE AND WRITE and UNMAP their fields stand where those of READ stand; only the flags of byte 1 differ.

use zerocopy::byteorder::big_endian::{U16, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::media::MediaAccess;
use super::{CdbError, view};
use crate::sense::FieldPointer;

/// The three sizes that these commands come in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Size {
    Ten,
    Twelve,
    Sixteen,
}

/// The access and byte 1.
fn access(cdb: &[u8], size: Size) -> Result<(MediaAccess, u8), CdbError> {
    let access = match size {
        Size::Ten => MediaAccess::parse_10(cdb)?,
        Size::Twelve => MediaAccess::parse_12(cdb)?,
        Size::Sixteen => MediaAccess::parse_16(cdb)?,
    };
    Ok((access, cdb.get(1).copied().unwrap_or(0)))
}

/// BYTCHK: what VERIFY compares the medium with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ByteCheck {
    /// 00b: nothing; the blocks are only to be readable.
    Medium,
    /// 01b: the Data-Out Buffer.
    Data,
    /// 11b: one block of data, with each block of the medium.
    OneBlock,
}

/// VERIFY or WRITE AND VERIFY in any size.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Verify {
    /// The blocks. VERIFICATION LENGTH or TRANSFER LENGTH.
    pub access: MediaAccess,
    /// BYTCHK.
    pub byte_check: ByteCheck,
}

impl Verify {
    /// Where BYTCHK stands.
    pub const BYTE_CHECK_FIELD: FieldPointer = FieldPointer::bit(1, 2);

    pub(super) fn parse(cdb: &[u8], size: Size) -> Result<Self, CdbError> {
        let (mut access, flags) = access(cdb, size)?;
        // Bit 3 is reserved here.
        access.fua = false;
        let byte_check = match flags >> 1 & 3 {
            0 => ByteCheck::Medium,
            1 => ByteCheck::Data,
            3 => ByteCheck::OneBlock,
            _ => return Err(CdbError::InvalidField(Self::BYTE_CHECK_FIELD)),
        };
        Ok(Self { access, byte_check })
    }
}

/// WRITE SAME (10) or (16).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WriteSame {
    /// The blocks. NUMBER OF LOGICAL BLOCKS; 0: all from `lba` to the end.
    pub access: MediaAccess,
    /// UNMAP: the blocks may be unmapped if they then read as the data.
    pub unmap: bool,
    /// ANCHOR: the blocks are to be anchored.
    pub anchor: bool,
    /// NDOB: there is no Data-Out Buffer; the data are zeroes. (16) only.
    pub no_data: bool,
}

impl WriteSame {
    /// Where ANCHOR stands.
    pub const ANCHOR_FIELD: FieldPointer = FieldPointer::bit(1, 4);
    /// Where UNMAP stands.
    pub const UNMAP_FIELD: FieldPointer = FieldPointer::bit(1, 3);

    pub(super) fn parse(cdb: &[u8], size: Size) -> Result<Self, CdbError> {
        let (access, flags) = access(cdb, size)?;
        Ok(Self {
            access: MediaAccess {
                dpo: false,
                fua: false,
                ..access
            },
            unmap: flags & 0x08 != 0,
            anchor: flags & 0x10 != 0,
            no_data: size == Size::Sixteen && flags & 0x01 != 0,
        })
    }
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct CompareAndWrite16 {
    opcode: u8,
    flags: u8,
    lba: U64,
    reserved: [u8; 3],
    blocks: u8,
    group_number: u8,
    control: u8,
}

/// COMPARE AND WRITE: as many blocks to compare with as to write, in this order in the Data-Out Buffer.
pub(super) fn parse_compare_and_write(cdb: &[u8]) -> Result<MediaAccess, CdbError> {
    let format = view::<CompareAndWrite16>(cdb)?;
    Ok(MediaAccess {
        lba: format.lba.get(),
        blocks: u32::from(format.blocks),
        protect: format.flags >> 5,
        dpo: format.flags & 0x10 != 0,
        fua: format.flags & 0x08 != 0,
        transfer_length_field: FieldPointer::byte(13),
    })
}

/// PRE-FETCH (10) or (16).
pub(super) fn parse_pre_fetch(cdb: &[u8], size: Size) -> Result<MediaAccess, CdbError> {
    let (access, _) = access(cdb, size)?;
    Ok(MediaAccess {
        protect: 0,
        dpo: false,
        fua: false,
        ..access
    })
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Unmap10 {
    opcode: u8,
    flags: u8,
    reserved: [u8; 4],
    group_number: u8,
    parameter_list_length: U16,
    control: u8,
}

/// UNMAP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Unmap {
    /// ANCHOR: the blocks are to be anchored.
    pub anchor: bool,
    /// PARAMETER LIST LENGTH in bytes.
    pub parameter_list_length: u16,
}

impl Unmap {
    /// Where ANCHOR stands.
    pub const ANCHOR_FIELD: FieldPointer = FieldPointer::bit(1, 0);

    pub(super) fn parse(cdb: &[u8]) -> Result<Self, CdbError> {
        let format = view::<Unmap10>(cdb)?;
        Ok(Self {
            anchor: format.flags & 0x01 != 0,
            parameter_list_length: format.parameter_list_length.get(),
        })
    }
}

/// GET LBA STATUS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct GetLbaStatus {
    /// STARTING LOGICAL BLOCK ADDRESS.
    pub lba: u64,
    /// ALLOCATION LENGTH in bytes.
    pub allocation_length: u32,
}

impl GetLbaStatus {
    pub(super) fn parse(cdb: &[u8]) -> Result<Self, CdbError> {
        // The same places as in READ (16).
        let access = MediaAccess::parse_16(cdb)?;
        Ok(Self {
            lba: access.lba,
            allocation_length: access.blocks,
        })
    }
}
