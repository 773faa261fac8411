//! Identify Namespace of the NVM command set (CNS 00h; NVM Command Set 1.0, section 4.1.5.1).

use zerocopy::byteorder::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::identify::IDENTIFY_SIZE;

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Layout {
    nsze: U64,
    ncap: U64,
    nuse: U64,
    nsfeat: u8,
    nlbaf: u8,
    flbas: u8,
    mc: u8,
    dpc: u8,
    dps: u8,
    nmic: u8,
    rescap: u8,
    fpi: u8,
    dlfeat: u8,
    nawun: U16,
    nawupf: U16,
    nacwu: U16,
    nabsn: U16,
    nabo: U16,
    nabspf: U16,
    noiob: U16,
    nvmcap: [u8; 16],
    npwg: U16,
    npwa: U16,
    npdg: U16,
    npda: U16,
    nows: U16,
    reserved_74: [u8; 18],
    anagrpid: U32,
    reserved_96: [u8; 3],
    nsattr: u8,
    nvmsetid: U16,
    endgid: U16,
    nguid: [u8; 16],
    eui64: [u8; 8],
    lbaf: [U32; 64],
    reserved_384: [u8; 3712],
}

/// A view over Identify Namespace data.
#[derive(Clone, Copy)]
pub struct IdentifyNamespace<'a> {
    layout: &'a Layout,
}

/// The format a namespace is in, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LbaFormat {
    /// LBADS: the logical block is 2^`block_shift` bytes, 9 to 31.
    pub block_shift: u8,
    /// MS: metadata bytes of each block.
    pub metadata_bytes: u16,
}

/// Why the format that FLBAS names cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LbaFormatError {
    /// FLBAS names a format that NLBAF says is not there.
    IndexOutOfRange {
        /// The index that FLBAS gives.
        index: u8,
        /// NLBAF, the greatest valid index.
        last: u8,
    },
    /// LBADS below 9 (512 bytes; such a format is not available) or above 31.
    BlockSize {
        /// LBADS.
        shift: u8,
    },
}

impl<'a> IdentifyNamespace<'a> {
    /// A view over a snapshot of the answer.
    #[must_use]
    pub fn new(bytes: &'a [u8; IDENTIFY_SIZE]) -> Self {
        Self {
            layout: zerocopy::transmute_ref!(bytes),
        }
    }

    /// NSZE: size in logical blocks; 0 for an inactive namespace (its whole answer is zero).
    #[must_use]
    pub const fn size_blocks(&self) -> u64 {
        self.layout.nsze.get()
    }

    /// NCAP: blocks that may be allocated at one time.
    #[must_use]
    pub const fn capacity_blocks(&self) -> u64 {
        self.layout.ncap.get()
    }

    /// NUSE: blocks allocated now.
    #[must_use]
    pub const fn used_blocks(&self) -> u64 {
        self.layout.nuse.get()
    }

    /// NSFEAT bit 0: thin provisioning.
    #[must_use]
    pub const fn is_thin_provisioned(&self) -> bool {
        self.layout.nsfeat & 1 != 0
    }

    /// FLBAS, the format that the namespace has, as Format NVM takes it.
    #[must_use]
    pub const fn formatted(&self) -> u8 {
        self.layout.flbas
    }

    /// The format in use (FLBAS).
    ///
    /// # Errors
    /// The index is outside the table, or the block size is not one that can be.
    pub fn format(&self) -> Result<LbaFormat, LbaFormatError> {
        let flbas = self.layout.flbas;
        // Bits 6:5 are the high bits where there are more than 16 formats, and reserved (0) before 2.0.
        let index = (flbas & 0xF)
            | if self.layout.nlbaf > 15 {
                (flbas >> 1) & 0x30
            } else {
                0
            };
        let out_of_range = LbaFormatError::IndexOutOfRange {
            index,
            last: self.layout.nlbaf,
        };
        if index > self.layout.nlbaf {
            return Err(out_of_range);
        }
        let raw = self
            .layout
            .lbaf
            .get(usize::from(index))
            .ok_or(out_of_range)?
            .get();
        let [metadata_low, metadata_high, shift, _] = raw.to_le_bytes();
        if !(9..=31).contains(&shift) {
            return Err(LbaFormatError::BlockSize { shift });
        }
        Ok(LbaFormat {
            block_shift: shift,
            metadata_bytes: u16::from_le_bytes([metadata_low, metadata_high]),
        })
    }

    /// DPS bits 2:0: end-to-end protection type in use, 0 if none.
    #[must_use]
    pub const fn protection_type(&self) -> u8 {
        self.layout.dps & 7
    }

    /// NMIC bit 0: may be attached to several controllers.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        self.layout.nmic & 1 != 0
    }

    /// DLFEAT bits 2:0 are 1: deallocated blocks read as zeroes.
    #[must_use]
    pub const fn deallocated_reads_zero(&self) -> bool {
        self.layout.dlfeat & 7 == 1
    }

    /// RESCAP: bit 0, reservations persist through power loss; bits 1 to 6, the types by their number.
    #[must_use]
    pub const fn reservation_capabilities(&self) -> u8 {
        self.layout.rescap
    }

    /// NOIOB: optimal I/O boundary in logical blocks, 0 if not reported.
    #[must_use]
    pub const fn optimal_io_boundary(&self) -> u16 {
        self.layout.noiob.get()
    }

    /// NSATTR bit 0: write protected (from 1.4 on).
    #[must_use]
    pub const fn is_write_protected(&self) -> bool {
        self.layout.nsattr & 1 != 0
    }

    /// NGUID, most significant byte first; `None` if zero.
    #[must_use]
    pub fn nguid(&self) -> Option<[u8; 16]> {
        non_zero(self.layout.nguid)
    }

    /// EUI64, most significant byte first; `None` if zero.
    #[must_use]
    pub fn eui64(&self) -> Option<[u8; 8]> {
        non_zero(self.layout.eui64)
    }
}

pub(super) fn non_zero<const N: usize>(id: [u8; N]) -> Option<[u8; N]> {
    id.iter().any(|&byte| byte != 0).then_some(id)
}

#[cfg(test)]
mod tests {
    use core::mem::{offset_of, size_of};

    use super::*;
    use proptest::prelude::*;

    fn answer(flbas: u8, nlbaf: u8, formats: &[(usize, u32)]) -> [u8; IDENTIFY_SIZE] {
        let mut bytes = [0; IDENTIFY_SIZE];
        bytes[25] = nlbaf;
        bytes[26] = flbas;
        for &(index, format) in formats {
            bytes[128 + index * 4..][..4].copy_from_slice(&format.to_le_bytes());
        }
        bytes
    }

    /// NVM Command Set 1.0, section 4.1.5.1.
    #[test]
    fn fields_are_at_the_specified_offsets() {
        assert_eq!(size_of::<Layout>(), IDENTIFY_SIZE);
        let offsets = [
            (offset_of!(Layout, flbas), 26),
            (offset_of!(Layout, dps), 29),
            (offset_of!(Layout, dlfeat), 33),
            (offset_of!(Layout, noiob), 46),
            (offset_of!(Layout, npwg), 64),
            (offset_of!(Layout, anagrpid), 92),
            (offset_of!(Layout, nsattr), 99),
            (offset_of!(Layout, nguid), 104),
            (offset_of!(Layout, eui64), 120),
            (offset_of!(Layout, lbaf), 128),
        ];
        for (is, should) in offsets {
            assert_eq!(is, should);
        }
    }

    #[test]
    fn format_is_the_one_flbas_names() {
        let bytes = answer(1, 1, &[(0, 9 << 16), (1, (12 << 16) | 8)]);
        let format = IdentifyNamespace::new(&bytes).format().unwrap();
        assert_eq!(
            format,
            LbaFormat {
                block_shift: 12,
                metadata_bytes: 8
            }
        );
    }

    /// NVM Command Set 1.0, section 4.1.5.1, byte 26: bits 6:5 extend the index only past 16 formats.
    #[test]
    fn format_index_high_bits_count_only_past_sixteen_formats() {
        let few = answer(0x20, 0, &[(0, 9 << 16)]);
        assert_eq!(IdentifyNamespace::new(&few).format().unwrap().block_shift, 9);
        let many = answer(0x20, 16, &[(16, 12 << 16)]);
        assert_eq!(IdentifyNamespace::new(&many).format().unwrap().block_shift, 12);
    }

    #[test]
    fn lying_formats_are_refused() {
        let beyond = answer(3, 1, &[]);
        assert_eq!(
            IdentifyNamespace::new(&beyond).format(),
            Err(LbaFormatError::IndexOutOfRange { index: 3, last: 1 })
        );
        for shift in [0, 8, 32, 255] {
            let bytes = answer(0, 0, &[(0, u32::from(shift) << 16)]);
            assert_eq!(
                IdentifyNamespace::new(&bytes).format(),
                Err(LbaFormatError::BlockSize { shift })
            );
        }
    }

    proptest! {
        #[test]
        fn any_answer_gives_a_usable_format_or_an_error(
            flbas in any::<u8>(), nlbaf in any::<u8>(), fill in any::<u8>(),
        ) {
            let mut bytes = [fill; IDENTIFY_SIZE];
            bytes[25] = nlbaf;
            bytes[26] = flbas;
            if let Ok(format) = IdentifyNamespace::new(&bytes).format() {
                prop_assert!((9..=31).contains(&format.block_shift));
            }
        }
    }
}
