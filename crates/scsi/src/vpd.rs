//! Vital product data pages (SPC-4, "Vital product data parameters"; SBC-3, "Vital product data (VPD)
//! parameters for direct access block devices").

use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::inquiry::Peripheral;

/// A VPD page code. Open.
#[derive(Clone, Copy, Debug, Eq, Hash, Immutable, IntoBytes, KnownLayout, PartialEq, Unaligned)]
#[repr(transparent)]
pub struct PageCode(pub u8);

impl PageCode {
    /// Supported VPD Pages.
    pub const SUPPORTED_PAGES: Self = Self(0x00);
    /// Unit Serial Number.
    pub const UNIT_SERIAL_NUMBER: Self = Self(0x80);
    /// Device Identification.
    pub const DEVICE_IDENTIFICATION: Self = Self(0x83);
    /// Block Limits (SBC-3).
    pub const BLOCK_LIMITS: Self = Self(0xB0);
    /// Block Device Characteristics (SBC-3).
    pub const BLOCK_DEVICE_CHARACTERISTICS: Self = Self(0xB1);
}

/// The four bytes that begin every VPD page.
#[derive(Clone, Copy, Debug, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct PageHeader {
    /// PERIPHERAL QUALIFIER and PERIPHERAL DEVICE TYPE.
    pub peripheral: Peripheral,
    /// PAGE CODE.
    pub page: PageCode,
    /// PAGE LENGTH in bytes, of what follows the header, also when the answer is cut short.
    pub length: U16,
}

impl PageHeader {
    /// Length of the header in bytes.
    pub const LENGTH: usize = 4;

    /// A header for a page with `length` bytes behind it.
    #[must_use]
    pub const fn new(peripheral: Peripheral, page: PageCode, length: u16) -> Self {
        Self {
            peripheral,
            page,
            length: U16::new(length),
        }
    }
}

/// What a designator's bytes are: CODE SET.
#[derive(Clone, Copy, Debug, Eq, Immutable, IntoBytes, KnownLayout, PartialEq, Unaligned)]
#[repr(u8)]
pub enum CodeSet {
    /// Binary values.
    Binary = 1,
    /// Graphic ASCII.
    Ascii = 2,
    /// UTF-8.
    Utf8 = 3,
}

/// How a designator is made: DESIGNATOR TYPE.
#[derive(Clone, Copy, Debug, Eq, Immutable, IntoBytes, KnownLayout, PartialEq, Unaligned)]
#[repr(u8)]
pub enum DesignatorType {
    /// T10 vendor identification followed by a vendor specific identifier.
    T10VendorId = 1,
    /// EUI-64 based: 8, 12 or 16 bytes.
    Eui64 = 2,
    /// SCSI name string.
    ScsiNameString = 8,
}

/// The head of a designation descriptor for the addressed logical unit; the designator follows.
#[derive(Clone, Copy, Debug, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct DesignatorHeader {
    code_set: CodeSet,
    designator_type: DesignatorType,
    reserved: u8,
    length: u8,
}

impl DesignatorHeader {
    /// Length of the head in bytes.
    pub const LENGTH: usize = 4;

    /// A head for a designator of `length` bytes: PIV = 0, ASSOCIATION = addressed logical unit.
    #[must_use]
    pub const fn new(code_set: CodeSet, designator_type: DesignatorType, length: u8) -> Self {
        Self {
            code_set,
            designator_type,
            reserved: 0,
            length,
        }
    }
}

/// The Block Limits page (SBC-3).
#[derive(Clone, Copy, Debug, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct BlockLimits {
    header: PageHeader,
    write_same_non_zero: u8,
    maximum_compare_and_write_length: u8,
    /// OPTIMAL TRANSFER LENGTH GRANULARITY in blocks; 0: not reported.
    pub optimal_transfer_length_granularity: U16,
    /// MAXIMUM TRANSFER LENGTH in blocks; 0: no limit reported.
    pub maximum_transfer_length: U32,
    optimal_transfer_length: U32,
    maximum_prefetch_length: U32,
    maximum_unmap_lba_count: U32,
    maximum_unmap_descriptor_count: U32,
    optimal_unmap_granularity: U32,
    unmap_granularity_alignment: U32,
    maximum_write_same_length: U64,
    reserved: [u8; 20],
}

impl BlockLimits {
    /// The page of a unit that limits transfers to `maximum_transfer_length` blocks and has neither COMPARE
    /// AND WRITE, PRE-FETCH, UNMAP nor WRITE SAME.
    #[must_use]
    pub const fn new(peripheral: Peripheral, maximum_transfer_length: u32, granularity: u16) -> Self {
        const LENGTH: u16 = 0x3C;
        Self {
            header: PageHeader::new(peripheral, PageCode::BLOCK_LIMITS, LENGTH),
            write_same_non_zero: 0,
            maximum_compare_and_write_length: 0,
            optimal_transfer_length_granularity: U16::new(granularity),
            maximum_transfer_length: U32::new(maximum_transfer_length),
            optimal_transfer_length: U32::ZERO,
            maximum_prefetch_length: U32::ZERO,
            maximum_unmap_lba_count: U32::ZERO,
            maximum_unmap_descriptor_count: U32::ZERO,
            optimal_unmap_granularity: U32::ZERO,
            unmap_granularity_alignment: U32::ZERO,
            maximum_write_same_length: U64::ZERO,
            reserved: [0; 20],
        }
    }
}

/// The Block Device Characteristics page (SBC-3) of a non-rotating medium.
#[derive(Clone, Copy, Debug, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct BlockDeviceCharacteristics {
    header: PageHeader,
    medium_rotation_rate: U16,
    rest: [u8; 58],
}

impl BlockDeviceCharacteristics {
    /// The page: MEDIUM ROTATION RATE = 1 (non-rotating), everything else not reported.
    #[must_use]
    pub const fn non_rotating(peripheral: Peripheral) -> Self {
        const LENGTH: u16 = 0x3C;
        Self {
            header: PageHeader::new(peripheral, PageCode::BLOCK_DEVICE_CHARACTERISTICS, LENGTH),
            medium_rotation_rate: U16::new(1),
            rest: [0; 58],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_limits_page_is_3ch_long_with_the_transfer_limit_at_8() {
        let page = BlockLimits::new(Peripheral::DIRECT_ACCESS, 0x0102_0304, 0x0506);
        let bytes = page.as_bytes();
        assert_eq!(bytes.len(), 4 + 0x3C);
        assert_eq!(bytes[..12], [0x00, 0xB0, 0x00, 0x3C, 0, 0, 5, 6, 1, 2, 3, 4]);
        assert!(bytes[12..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn block_device_characteristics_page_says_non_rotating() {
        let page = BlockDeviceCharacteristics::non_rotating(Peripheral::DIRECT_ACCESS);
        let bytes = page.as_bytes();
        assert_eq!(bytes.len(), 4 + 0x3C);
        assert_eq!(bytes[..8], [0x00, 0xB1, 0x00, 0x3C, 0, 1, 0, 0]);
    }

    #[test]
    fn designator_head_associates_with_the_logical_unit() {
        let head = DesignatorHeader::new(CodeSet::Utf8, DesignatorType::ScsiNameString, 40);
        assert_eq!(head.as_bytes(), [0x03, 0x08, 0x00, 40]);
    }
}
