//! READ, WRITE and SYNCHRONIZE CACHE in their sizes (SBC-3 clause 5).

use bitfield_struct::bitfield;
use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::{CdbError, view};
use crate::opcode::Opcode;
use crate::sense::FieldPointer;

/// Byte 1 of READ and WRITE (10), (12) and (16).
#[bitfield(u8)]
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
struct MediaFlags {
    #[bits(3)]
    __: u8,
    fua: bool,
    dpo: bool,
    #[bits(3)]
    protect: u8,
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Media6 {
    opcode: u8,
    /// The LBA in bits 20..0.
    lba: [u8; 3],
    transfer_length: u8,
    control: u8,
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Media10 {
    opcode: u8,
    flags: MediaFlags,
    lba: U32,
    group_number: u8,
    transfer_length: U16,
    control: u8,
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Media12 {
    opcode: u8,
    flags: MediaFlags,
    lba: U32,
    transfer_length: U32,
    group_number: u8,
    control: u8,
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Media16 {
    opcode: u8,
    flags: MediaFlags,
    lba: U64,
    transfer_length: U32,
    group_number: u8,
    control: u8,
}

/// A READ or WRITE of any size.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MediaAccess {
    /// LOGICAL BLOCK ADDRESS.
    pub lba: u64,
    /// Blocks to transfer; 0 transfers none. (READ (6) and WRITE (6) say 256 by 0; here it is 256.)
    pub blocks: u32,
    /// RDPROTECT or WRPROTECT, three bits.
    pub protect: u8,
    /// Disable page out: a hint about retention in a cache.
    pub dpo: bool,
    /// Force unit access: the medium, not a volatile cache, is read or written before the command ends.
    pub fua: bool,
    /// Where TRANSFER LENGTH stands.
    pub transfer_length_field: FieldPointer,
}

impl MediaAccess {
    /// The access of a READ or WRITE (10) or (16), the sizes that Windows sends, and whether it writes. `None` for any other
    /// CDB and for one that [`Command::parse`](super::Command::parse) refuses: the short way to what that would say.
    ///
    /// `range` makes of address and blocks what the caller wants of them: where a CDB holds fewer bits than these types, less is to
    /// be checked.
    #[must_use]
    #[inline(always)]
    pub fn parse_usual<R>(
        cdb: &[u8; 16],
        length: usize,
        range: impl Fn(u64, u32) -> Option<R>,
    ) -> Option<(Self, bool, R)> {
        const NACA: u8 = 0x04;
        let opcode = Opcode(*cdb.first()?);
        match opcode {
            Opcode::READ_10 | Opcode::WRITE_10 => {
                let format = view::<Media10>(cdb).ok()?;
                let access = Self::from_fields(
                    format.flags,
                    u64::from(format.lba.get()),
                    u32::from(format.transfer_length.get()),
                    FieldPointer::byte(7),
                );
                if length < size_of::<Media10>() || format.control & NACA != 0 {
                    return None;
                }
                Some((
                    access,
                    opcode == Opcode::WRITE_10,
                    range(access.lba, access.blocks)?,
                ))
            }
            Opcode::READ_16 | Opcode::WRITE_16 => {
                let format = view::<Media16>(cdb).ok()?;
                let access = Self::from_fields(
                    format.flags,
                    format.lba.get(),
                    format.transfer_length.get(),
                    FieldPointer::byte(10),
                );
                if length < size_of::<Media16>() || format.control & NACA != 0 {
                    return None;
                }
                Some((
                    access,
                    opcode == Opcode::WRITE_16,
                    range(access.lba, access.blocks)?,
                ))
            }
            _ => None,
        }
    }

    /// Where RDPROTECT or WRPROTECT stands.
    pub const PROTECT_FIELD: FieldPointer = FieldPointer::bit(1, 7);

    pub(super) fn parse_6(cdb: &[u8]) -> Result<Self, CdbError> {
        const LBA: u32 = 0x001F_FFFF;
        const BLOCKS_BY_ZERO: u32 = 256;
        let Media6 {
            lba: [high, middle, low],
            transfer_length,
            ..
        } = view::<Media6>(cdb)?;
        let lba = u32::from_be_bytes([0, *high, *middle, *low]) & LBA;
        Ok(Self {
            lba: u64::from(lba),
            blocks: if *transfer_length == 0 {
                BLOCKS_BY_ZERO
            } else {
                u32::from(*transfer_length)
            },
            protect: 0,
            dpo: false,
            fua: false,
            transfer_length_field: FieldPointer::byte(4),
        })
    }

    pub(super) fn parse_10(cdb: &[u8]) -> Result<Self, CdbError> {
        let format = view::<Media10>(cdb)?;
        Ok(Self::from_fields(
            format.flags,
            u64::from(format.lba.get()),
            u32::from(format.transfer_length.get()),
            FieldPointer::byte(7),
        ))
    }

    pub(super) fn parse_12(cdb: &[u8]) -> Result<Self, CdbError> {
        let format = view::<Media12>(cdb)?;
        Ok(Self::from_fields(
            format.flags,
            u64::from(format.lba.get()),
            format.transfer_length.get(),
            FieldPointer::byte(6),
        ))
    }

    pub(super) fn parse_16(cdb: &[u8]) -> Result<Self, CdbError> {
        let format = view::<Media16>(cdb)?;
        Ok(Self::from_fields(
            format.flags,
            format.lba.get(),
            format.transfer_length.get(),
            FieldPointer::byte(10),
        ))
    }

    const fn from_fields(
        flags: MediaFlags,
        lba: u64,
        blocks: u32,
        transfer_length_field: FieldPointer,
    ) -> Self {
        Self {
            lba,
            blocks,
            protect: flags.protect(),
            dpo: flags.dpo(),
            fua: flags.fua(),
            transfer_length_field,
        }
    }
}

/// Byte 1 of SYNCHRONIZE CACHE.
#[bitfield(u8)]
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
struct SynchronizeCacheFlags {
    __: bool,
    immediate: bool,
    #[bits(6)]
    __: u8,
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct SynchronizeCache10 {
    opcode: u8,
    flags: SynchronizeCacheFlags,
    lba: U32,
    group_number: u8,
    blocks: U16,
    control: u8,
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct SynchronizeCache16 {
    opcode: u8,
    flags: SynchronizeCacheFlags,
    lba: U64,
    blocks: U32,
    group_number: u8,
    control: u8,
}

/// SYNCHRONIZE CACHE (10) or (16).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SynchronizeCache {
    /// LOGICAL BLOCK ADDRESS.
    pub lba: u64,
    /// NUMBER OF LOGICAL BLOCKS; 0: all from `lba` to the end.
    pub blocks: u32,
    /// IMMED: status may be returned before the cache is synchronized.
    pub immediate: bool,
}

impl SynchronizeCache {
    pub(super) fn parse_10(cdb: &[u8]) -> Result<Self, CdbError> {
        let format = view::<SynchronizeCache10>(cdb)?;
        Ok(Self {
            lba: u64::from(format.lba.get()),
            blocks: u32::from(format.blocks.get()),
            immediate: format.flags.immediate(),
        })
    }

    pub(super) fn parse_16(cdb: &[u8]) -> Result<Self, CdbError> {
        let format = view::<SynchronizeCache16>(cdb)?;
        Ok(Self {
            lba: format.lba.get(),
            blocks: format.blocks.get(),
            immediate: format.flags.immediate(),
        })
    }
}
