//! Parameter data of READ CAPACITY (SBC-3, "READ CAPACITY (10) command" and "READ CAPACITY (16) command").

use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{Immutable, IntoBytes, KnownLayout, Unaligned};

/// READ CAPACITY (10) parameter data.
#[derive(Clone, Copy, Debug, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Capacity10 {
    /// RETURNED LOGICAL BLOCK ADDRESS: the last LBA, or `FFFF_FFFFh` when it does not fit.
    pub last_lba: U32,
    /// LOGICAL BLOCK LENGTH IN BYTES.
    pub block_length: U32,
}

impl Capacity10 {
    /// The data for a unit whose last block is `last_lba`. A last LBA that does not fit becomes `FFFF_FFFFh`,
    /// which sends the initiator to READ CAPACITY (16).
    #[must_use]
    pub fn new(last_lba: u64, block_length: u32) -> Self {
        Self {
            last_lba: U32::new(u32::try_from(last_lba).unwrap_or(u32::MAX)),
            block_length: U32::new(block_length),
        }
    }
}

/// READ CAPACITY (16) parameter data.
#[derive(Clone, Copy, Debug, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Capacity16 {
    /// RETURNED LOGICAL BLOCK ADDRESS: the last LBA.
    pub last_lba: U64,
    /// LOGICAL BLOCK LENGTH IN BYTES.
    pub block_length: U32,
    /// `P_TYPE` and `PROT_EN`: no protection information.
    protection: u8,
    /// `P_I_EXPONENT` (7..4) and LOGICAL BLOCKS PER PHYSICAL BLOCK EXPONENT (3..0).
    exponents: u8,
    /// LBPME, LBPRZ, LOWEST ALIGNED LOGICAL BLOCK ADDRESS.
    provisioning: U16,
    reserved: [u8; 16],
}

impl Capacity16 {
    /// The data for a fully provisioned unit without protection information whose physical block holds
    /// 2^`physical_block_exponent` logical blocks (0 to 15; larger values are reported as 15).
    #[must_use]
    pub fn new(last_lba: u64, block_length: u32, physical_block_exponent: u8) -> Self {
        Self {
            last_lba: U64::new(last_lba),
            block_length: U32::new(block_length),
            protection: 0,
            exponents: physical_block_exponent.min(0x0F),
            provisioning: U16::ZERO,
            reserved: [0; 16],
        }
    }

    /// The same data with LBPME, logical block provisioning management, and LBPRZ, unmapped blocks read as zeroes.
    #[must_use]
    pub fn with_provisioning(mut self, managed: bool, reads_zeroes: bool) -> Self {
        const LBPME: u16 = 1 << 15;
        const LBPRZ: u16 = 1 << 14;
        let flag = |set: bool, flag: u16| if set { flag } else { 0 };
        self.provisioning = U16::new(flag(managed, LBPME) | flag(managed && reads_zeroes, LBPRZ));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacity_10_saturates_when_the_last_lba_needs_more_than_32_bits() {
        assert_eq!(
            Capacity10::new(0x0102_0304, 512).as_bytes(),
            [1, 2, 3, 4, 0, 0, 2, 0]
        );
        assert_eq!(
            Capacity10::new(0x1_0000_0000, 4096).as_bytes(),
            [0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0x10, 0]
        );
        assert_eq!(Capacity10::new(0xFFFF_FFFF, 512).last_lba.get(), u32::MAX);
    }

    #[test]
    fn capacity_16_is_32_bytes_with_the_exponent_in_byte_13() {
        let data = Capacity16::new(0x0102_0304_0506_0708, 512, 3);
        let bytes = data.as_bytes();
        assert_eq!(bytes.len(), 32);
        assert_eq!(bytes[..12], [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 2, 0]);
        assert_eq!(bytes[12..16], [0, 3, 0, 0]);
        assert!(bytes[16..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn capacity_16_has_lbpme_and_lbprz_at_the_top_of_byte_14() {
        let byte_14 = |managed, zeroes| {
            Capacity16::new(0, 512, 0)
                .with_provisioning(managed, zeroes)
                .as_bytes()[14]
        };
        assert_eq!(
            [byte_14(true, true), byte_14(true, false), byte_14(false, true)],
            [0xC0, 0x80, 0]
        );
    }

    #[test]
    fn capacity_16_exponent_never_spills_into_the_protection_exponent() {
        assert_eq!(Capacity16::new(0, 512, 200).as_bytes()[13], 0x0F);
    }
}
