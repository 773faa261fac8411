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
    /// Extended INQUIRY Data.
    pub const EXTENDED_INQUIRY: Self = Self(0x86);
    /// Block Limits (SBC-3).
    pub const BLOCK_LIMITS: Self = Self(0xB0);
    /// Block Device Characteristics (SBC-3).
    pub const BLOCK_DEVICE_CHARACTERISTICS: Self = Self(0xB1);
    /// Logical Block Provisioning (SBC-3).
    pub const LOGICAL_BLOCK_PROVISIONING: Self = Self(0xB2);
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

/// What the Block Limits page tells beside the limit of a transfer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Limits {
    /// MAXIMUM COMPARE AND WRITE LENGTH in blocks; 0: there is no such command.
    pub compare_and_write: u8,
    /// MAXIMUM UNMAP LBA COUNT; 0: there is no such command.
    pub unmap_blocks: u32,
    /// MAXIMUM UNMAP BLOCK DESCRIPTOR COUNT.
    pub unmap_descriptors: u32,
    /// MAXIMUM WRITE SAME LENGTH in blocks, with WSNZ = 1; 0: no limit is reported, and WSNZ = 0.
    pub write_same: u64,
}

impl BlockLimits {
    /// The page of a unit that limits transfers to `maximum_transfer_length` blocks and has the other `limits`.
    #[must_use]
    pub const fn new(
        peripheral: Peripheral,
        maximum_transfer_length: u32,
        granularity: u16,
        limits: Limits,
    ) -> Self {
        const LENGTH: u16 = 0x3C;
        Self {
            header: PageHeader::new(peripheral, PageCode::BLOCK_LIMITS, LENGTH),
            write_same_non_zero: (limits.write_same != 0) as u8,
            maximum_compare_and_write_length: limits.compare_and_write,
            optimal_transfer_length_granularity: U16::new(granularity),
            maximum_transfer_length: U32::new(maximum_transfer_length),
            optimal_transfer_length: U32::ZERO,
            maximum_prefetch_length: U32::ZERO,
            maximum_unmap_lba_count: U32::new(limits.unmap_blocks),
            maximum_unmap_descriptor_count: U32::new(limits.unmap_descriptors),
            optimal_unmap_granularity: U32::ZERO,
            unmap_granularity_alignment: U32::ZERO,
            maximum_write_same_length: U64::new(limits.write_same),
            reserved: [0; 20],
        }
    }
}

/// The Logical Block Provisioning page (SBC-3), without a provisioning group descriptor.
#[derive(Clone, Copy, Debug, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct LogicalBlockProvisioning {
    header: PageHeader,
    threshold_exponent: u8,
    flags: u8,
    provisioning_type: u8,
    reserved: u8,
}

/// What the Logical Block Provisioning page tells.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "these are the page's independent bits"
)]
pub struct Provisioning {
    /// LBPU: UNMAP.
    pub unmap: bool,
    /// LBPWS and LBPWS10: WRITE SAME (16) and (10) with UNMAP = 1.
    pub write_same: bool,
    /// LBPRZ: unmapped blocks read as zeroes.
    pub reads_zeroes: bool,
    /// PROVISIONING TYPE: thin (2), else not reported (0).
    pub thin: bool,
}

impl LogicalBlockProvisioning {
    /// The page.
    #[must_use]
    pub const fn new(peripheral: Peripheral, provisioning: Provisioning) -> Self {
        const LENGTH: u16 = 4;
        const LBPU: u8 = 0x80;
        const LBPWS_AND_LBPWS10: u8 = 0x60;
        const LBPRZ: u8 = 0x04;
        const THIN: u8 = 2;
        let mut flags = 0;
        if provisioning.unmap {
            flags |= LBPU;
        }
        if provisioning.write_same {
            flags |= LBPWS_AND_LBPWS10;
        }
        if provisioning.reads_zeroes {
            flags |= LBPRZ;
        }
        Self {
            header: PageHeader::new(peripheral, PageCode::LOGICAL_BLOCK_PROVISIONING, LENGTH),
            threshold_exponent: 0,
            flags,
            provisioning_type: if provisioning.thin { THIN } else { 0 },
            reserved: 0,
        }
    }
}

/// The Extended INQUIRY Data page (SPC-4) of a unit without protection information: simple tasks only, a unit attention is one
/// initiator's.
#[derive(Clone, Copy, Debug, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ExtendedInquiry {
    header: PageHeader,
    /// `ACTIVATE_MICROCODE`, SPT, `GRD_CHK`, `APP_CHK`, `REF_CHK`.
    protection: u8,
    /// HEADSUP, ORDSUP, SIMPSUP and others.
    attributes: u8,
    /// `NV_SUP`, `V_SUP` and others.
    cache: u8,
    /// LUICLR and others.
    nexus: u8,
    rest: [u8; 56],
}

impl ExtendedInquiry {
    /// The page of a unit with or without a volatile cache.
    #[must_use]
    pub const fn new(peripheral: Peripheral, volatile_cache: bool) -> Self {
        const LENGTH: u16 = 0x3C;
        const SIMPSUP: u8 = 1;
        const V_SUP: u8 = 1;
        const LUICLR: u8 = 1;
        Self {
            header: PageHeader::new(peripheral, PageCode::EXTENDED_INQUIRY, LENGTH),
            protection: 0,
            attributes: SIMPSUP,
            cache: if volatile_cache { V_SUP } else { 0 },
            nexus: LUICLR,
            rest: [0; 56],
        }
    }
}

/// The Block Device Characteristics page (SBC-3) of a non-rotating medium.
#[derive(Clone, Copy, Debug, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct BlockDeviceCharacteristics {
    header: PageHeader,
    medium_rotation_rate: U16,
    product_type: u8,
    erased: u8,
    rest: [u8; 56],
}

impl BlockDeviceCharacteristics {
    /// The page: MEDIUM ROTATION RATE = 1 (non-rotating); WABEREQ and WACEREQ = 01b, what SANITIZE has erased by BLOCK ERASE or
    /// CRYPTOGRAPHIC ERASE is read without error, if it has these; everything else not reported.
    #[must_use]
    pub const fn non_rotating(peripheral: Peripheral, block_erase: bool, crypto_erase: bool) -> Self {
        const LENGTH: u16 = 0x3C;
        Self {
            header: PageHeader::new(peripheral, PageCode::BLOCK_DEVICE_CHARACTERISTICS, LENGTH),
            medium_rotation_rate: U16::new(1),
            product_type: 0,
            erased: (block_erase as u8) << 6 | (crypto_erase as u8) << 4,
            rest: [0; 56],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extended_inquiry_page_has_its_flags_in_their_places() {
        let page = ExtendedInquiry::new(Peripheral::DIRECT_ACCESS, true);
        let bytes = page.as_bytes();
        assert_eq!(bytes.len(), 4 + 0x3C);
        assert_eq!(bytes[..8], [0x00, 0x86, 0x00, 0x3C, 0, 1, 1, 1]);
        assert!(bytes[8..].iter().all(|byte| *byte == 0));
        assert_eq!(
            ExtendedInquiry::new(Peripheral::DIRECT_ACCESS, false).as_bytes()[6],
            0
        );
    }

    #[test]
    fn block_limits_page_is_3ch_long_with_the_transfer_limit_at_8() {
        let page = BlockLimits::new(Peripheral::DIRECT_ACCESS, 0x0102_0304, 0x0506, Limits::default());
        let bytes = page.as_bytes();
        assert_eq!(bytes.len(), 4 + 0x3C);
        assert_eq!(bytes[..12], [0x00, 0xB0, 0x00, 0x3C, 0, 0, 5, 6, 1, 2, 3, 4]);
        assert!(bytes[12..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn block_limits_page_has_each_limit_in_its_place() {
        let limits = Limits {
            compare_and_write: 8,
            unmap_blocks: 0x1112_1314,
            unmap_descriptors: 0x2122_2324,
            write_same: 0x31,
        };
        let page = BlockLimits::new(Peripheral::DIRECT_ACCESS, 0, 0, limits);
        let bytes = page.as_bytes();
        assert_eq!(bytes[4..6], [1, 8]);
        assert_eq!(bytes[20..28], [0x11, 0x12, 0x13, 0x14, 0x21, 0x22, 0x23, 0x24]);
        assert_eq!(bytes[36..44], [0, 0, 0, 0, 0, 0, 0, 0x31]);
    }

    #[test]
    fn logical_block_provisioning_page_has_its_flags_in_byte_5() {
        let provisioning = Provisioning {
            unmap: true,
            write_same: true,
            reads_zeroes: true,
            thin: true,
        };
        let page = LogicalBlockProvisioning::new(Peripheral::DIRECT_ACCESS, provisioning);
        assert_eq!(page.as_bytes(), [0, 0xB2, 0, 4, 0, 0xE4, 2, 0]);
    }

    #[test]
    fn block_device_characteristics_page_says_non_rotating() {
        let page = BlockDeviceCharacteristics::non_rotating(Peripheral::DIRECT_ACCESS, false, false);
        let bytes = page.as_bytes();
        assert_eq!(bytes.len(), 4 + 0x3C);
        assert_eq!(bytes[..8], [0x00, 0xB1, 0x00, 0x3C, 0, 1, 0, 0]);
        let erased = |block, crypto| {
            let page = BlockDeviceCharacteristics::non_rotating(Peripheral::DIRECT_ACCESS, block, crypto);
            page.as_bytes()[7]
        };
        assert_eq!((erased(true, false), erased(false, true)), (0x40, 0x10));
    }

    #[test]
    fn designator_head_associates_with_the_logical_unit() {
        let head = DesignatorHeader::new(CodeSet::Utf8, DesignatorType::ScsiNameString, 40);
        assert_eq!(head.as_bytes(), [0x03, 0x08, 0x00, 40]);
    }
}
