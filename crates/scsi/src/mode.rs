//! Mode parameters (SPC-4, "Mode parameters"; SBC-3, "Mode parameters for direct access block devices").

use bitfield_struct::bitfield;
use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{Immutable, IntoBytes, KnownLayout, Unaligned};

/// PC, page control: which values MODE SENSE returns.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum PageControl {
    /// Current values.
    Current,
    /// A mask: ones where MODE SELECT may change a value.
    Changeable,
    /// Default values.
    Default,
    /// Saved values.
    Saved,
}

impl PageControl {
    /// The two bits of the PC field; higher bits are ignored.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 0x03 {
            0 => Self::Current,
            1 => Self::Changeable,
            2 => Self::Default,
            _ => Self::Saved,
        }
    }
}

/// A mode page code, six bits. Open.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(transparent)]
pub struct PageCode(pub u8);

impl PageCode {
    /// Caching (SBC-3).
    pub const CACHING: Self = Self(0x08);
    /// Control (SPC-4).
    pub const CONTROL: Self = Self(0x0A);
    /// Power Condition (SPC-4).
    pub const POWER_CONDITION: Self = Self(0x1A);
    /// Informational Exceptions Control (SPC-4).
    pub const INFORMATIONAL_EXCEPTIONS: Self = Self(0x1C);
    /// All pages.
    pub const ALL: Self = Self(0x3F);
}

/// A mode subpage code. Open.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(transparent)]
pub struct SubpageCode(pub u8);

impl SubpageCode {
    /// The page itself, in `page_0` format.
    pub const NONE: Self = Self(0x00);
    /// All subpages.
    pub const ALL: Self = Self(0xFF);
}

/// DEVICE-SPECIFIC PARAMETER of a direct access block device (SBC-3).
#[bitfield(u8)]
#[derive(Immutable, IntoBytes, KnownLayout, Unaligned)]
pub struct DeviceSpecific {
    #[bits(4)]
    __: u8,
    /// DPO and FUA are supported.
    pub dpofua: bool,
    #[bits(2)]
    __: u8,
    /// The medium is write protected.
    pub write_protected: bool,
}

/// Mode parameter header of MODE SENSE (6).
#[derive(Clone, Copy, Debug, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Header6 {
    /// MODE DATA LENGTH: bytes that follow this field.
    pub mode_data_length: u8,
    medium_type: u8,
    /// DEVICE-SPECIFIC PARAMETER.
    pub device_specific: DeviceSpecific,
    /// BLOCK DESCRIPTOR LENGTH in bytes.
    pub block_descriptor_length: u8,
}

impl Header6 {
    /// Length of the header in bytes.
    pub const LENGTH: usize = 4;

    /// A header before `descriptors` bytes of block descriptors and `pages` bytes of mode pages.
    #[must_use]
    pub const fn new(device_specific: DeviceSpecific, descriptors: u8, pages: u8) -> Self {
        Self {
            mode_data_length: 3_u8.saturating_add(descriptors).saturating_add(pages),
            medium_type: 0,
            device_specific,
            block_descriptor_length: descriptors,
        }
    }
}

/// Mode parameter header of MODE SENSE (10).
#[derive(Clone, Copy, Debug, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Header10 {
    /// MODE DATA LENGTH: bytes that follow this field.
    pub mode_data_length: U16,
    medium_type: u8,
    /// DEVICE-SPECIFIC PARAMETER.
    pub device_specific: DeviceSpecific,
    /// LONGLBA in bit 0: the block descriptors are long ones.
    long_lba: u8,
    reserved: u8,
    /// BLOCK DESCRIPTOR LENGTH in bytes.
    pub block_descriptor_length: U16,
}

impl Header10 {
    /// Length of the header in bytes.
    pub const LENGTH: usize = 8;

    /// A header before `descriptors` bytes of block descriptors and `pages` bytes of mode pages.
    #[must_use]
    pub const fn new(device_specific: DeviceSpecific, long_lba: bool, descriptors: u8, pages: u8) -> Self {
        Self {
            mode_data_length: U16::new(
                6_u16
                    .saturating_add(descriptors as u16)
                    .saturating_add(pages as u16),
            ),
            medium_type: 0,
            device_specific,
            long_lba: long_lba as u8,
            reserved: 0,
            block_descriptor_length: U16::new(descriptors as u16),
        }
    }
}

/// Short LBA mode parameter block descriptor (SBC-3).
#[derive(Clone, Copy, Debug, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ShortBlockDescriptor {
    /// NUMBER OF LOGICAL BLOCKS, or `FFFF_FFFFh` when it does not fit.
    pub blocks: U32,
    /// A reserved byte, then LOGICAL BLOCK LENGTH in three bytes.
    block_length: U32,
}

impl ShortBlockDescriptor {
    /// Length of the descriptor in bytes.
    pub const LENGTH: u8 = 8;

    /// A descriptor of `blocks` blocks of `block_length` bytes (24 bits).
    #[must_use]
    pub fn new(blocks: u64, block_length: u32) -> Self {
        const LOGICAL_BLOCK_LENGTH: u32 = 0x00FF_FFFF;
        Self {
            blocks: U32::new(u32::try_from(blocks).unwrap_or(u32::MAX)),
            block_length: U32::new(block_length & LOGICAL_BLOCK_LENGTH),
        }
    }
}

/// Long LBA mode parameter block descriptor (SBC-3).
#[derive(Clone, Copy, Debug, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct LongBlockDescriptor {
    /// NUMBER OF LOGICAL BLOCKS.
    pub blocks: U64,
    reserved: [u8; 4],
    /// LOGICAL BLOCK LENGTH.
    pub block_length: U32,
}

impl LongBlockDescriptor {
    /// Length of the descriptor in bytes.
    pub const LENGTH: u8 = 16;

    /// A descriptor of `blocks` blocks of `block_length` bytes.
    #[must_use]
    pub const fn new(blocks: u64, block_length: u32) -> Self {
        Self {
            blocks: U64::new(blocks),
            reserved: [0; 4],
            block_length: U32::new(block_length),
        }
    }
}

/// The Caching mode page (SBC-3).
#[derive(Clone, Copy, Debug, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct CachingPage {
    page_code: u8,
    page_length: u8,
    /// WCE (bit 2) and RCD (bit 0), with IC, ABPF, CAP, DISC, SIZE and MF zero.
    flags: u8,
    rest: [u8; 17],
}

impl CachingPage {
    /// Length of the page in bytes, its two bytes of header included.
    pub const LENGTH: u8 = 20;

    /// The page with WCE (write cache enable) as given and read caching enabled. As a mask of changeable
    /// values, `write_cache_enable` says whether MODE SELECT may change WCE.
    #[must_use]
    pub const fn new(write_cache_enable: bool) -> Self {
        const WCE: u8 = 0x04;
        Self {
            page_code: PageCode::CACHING.0,
            page_length: 0x12,
            flags: if write_cache_enable { WCE } else { 0 },
            rest: [0; 17],
        }
    }
}

/// The Control mode page: commands may be reordered, sense data come in fixed format.
///
/// `current` gives its values, which are its defaults; without it, the mask of changeable values, which is empty.
#[must_use]
pub const fn control_page(current: bool) -> [u8; 12] {
    const GLTSD: u8 = 0x02;
    const UNRESTRICTED_REORDERING: u8 = 0x10;
    let (flags, queue) = if current {
        (GLTSD, UNRESTRICTED_REORDERING)
    } else {
        (0, 0)
    };
    [PageCode::CONTROL.0, 0x0A, flags, queue, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// The Power Condition mode page: no timer runs and none can be set.
#[must_use]
pub const fn power_condition_page() -> [u8; 40] {
    let mut page = [0; 40];
    let [code, length, ..] = &mut page;
    *code = PageCode::POWER_CONDITION.0;
    *length = 0x26;
    page
}

/// The Informational Exceptions Control mode page: exceptions are reported where they are asked for (MRIE = 6), in the log
/// page of that name.
#[must_use]
pub const fn informational_exceptions_page(current: bool) -> [u8; 12] {
    const ON_REQUEST: u8 = 0x06;
    let method = if current { ON_REQUEST } else { 0 };
    [
        PageCode::INFORMATIONAL_EXCEPTIONS.0,
        0x0A,
        0,
        method,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_control_is_two_bits() {
        let controls = [0, 1, 2, 3, 4].map(PageControl::from_bits);
        assert_eq!(
            controls,
            [
                PageControl::Current,
                PageControl::Changeable,
                PageControl::Default,
                PageControl::Saved,
                PageControl::Current
            ]
        );
    }

    #[test]
    fn device_specific_parameter_has_wp_in_bit_7_and_dpofua_in_bit_4() {
        assert_eq!(DeviceSpecific::new().with_write_protected(true).into_bits(), 0x80);
        assert_eq!(DeviceSpecific::new().with_dpofua(true).into_bits(), 0x10);
    }

    #[test]
    fn mode_data_length_excludes_itself() {
        let specific = DeviceSpecific::new().with_dpofua(true);
        assert_eq!(Header6::new(specific, 8, 20).as_bytes(), [31, 0, 0x10, 8]);
        assert_eq!(
            Header10::new(specific, true, 16, 20).as_bytes(),
            [0, 42, 0, 0x10, 1, 0, 0, 16]
        );
    }

    #[test]
    fn short_descriptor_saturates_and_keeps_its_reserved_byte_zero() {
        assert_eq!(
            ShortBlockDescriptor::new(5, 0xFF00_0200).as_bytes(),
            [0, 0, 0, 5, 0, 0, 2, 0]
        );
        assert_eq!(ShortBlockDescriptor::new(1 << 40, 512).blocks.get(), u32::MAX);
    }

    #[test]
    fn long_descriptor_is_16_bytes() {
        let descriptor = LongBlockDescriptor::new(0x0102_0304_0506_0708, 4096);
        assert_eq!(
            descriptor.as_bytes(),
            [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0x10, 0]
        );
    }

    #[test]
    fn caching_page_has_wce_in_bit_2_of_byte_2() {
        let page = CachingPage::new(true);
        assert_eq!(page.as_bytes().len(), usize::from(CachingPage::LENGTH));
        assert_eq!(page.as_bytes()[..3], [0x08, 0x12, 0x04]);
        assert_eq!(CachingPage::new(false).as_bytes()[2], 0);
    }
}
