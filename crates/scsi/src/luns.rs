//! Parameter data of REPORT LUNS (SPC-4) and the LUN form it carries (SAM-5, "Logical unit representation
//! format").

use zerocopy::byteorder::big_endian::U32;
use zerocopy::{Immutable, IntoBytes, KnownLayout, Unaligned};

/// The header of REPORT LUNS parameter data; eight bytes for each LUN follow.
#[derive(Clone, Copy, Debug, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct LunListHeader {
    /// LUN LIST LENGTH in bytes, of all LUNs, also when the list is cut short.
    pub list_length: U32,
    reserved: [u8; 4],
}

impl LunListHeader {
    /// The header of a list of `luns` LUNs.
    #[must_use]
    pub fn new(luns: u16) -> Self {
        Self {
            list_length: U32::new(u32::from(luns).saturating_mul(8)),
            reserved: [0; 4],
        }
    }
}

/// A LUN as REPORT LUNS tells it: single level, peripheral device addressing on bus 0 (SAM-5, "Peripheral
/// device addressing method").
#[must_use]
pub const fn single_level_lun(lun: u8) -> [u8; 8] {
    [0, lun, 0, 0, 0, 0, 0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_length_counts_eight_bytes_for_each_lun() {
        assert_eq!(LunListHeader::new(3).as_bytes(), [0, 0, 0, 24, 0, 0, 0, 0]);
        assert_eq!(LunListHeader::new(256).list_length.get(), 2048);
    }

    #[test]
    fn lun_uses_peripheral_device_addressing_on_bus_zero() {
        assert_eq!(single_level_lun(255), [0, 255, 0, 0, 0, 0, 0, 0]);
    }
}
