//! Standard INQUIRY data (SPC-4, "INQUIRY command").

use zerocopy::byteorder::big_endian::U16;
use zerocopy::{Immutable, IntoBytes, KnownLayout, Unaligned};

/// Byte 0 of INQUIRY data and of every VPD page: PERIPHERAL QUALIFIER and PERIPHERAL DEVICE TYPE.
#[derive(Clone, Copy, Debug, Eq, Immutable, IntoBytes, KnownLayout, PartialEq, Unaligned)]
#[repr(transparent)]
pub struct Peripheral(pub u8);

impl Peripheral {
    /// A direct access block device is connected to the logical unit (000b, 00h).
    pub const DIRECT_ACCESS: Self = Self(0x00);
    /// The target cannot support a device on this logical unit (011b, 1Fh).
    pub const NOT_SUPPORTED: Self = Self(0x7F);
}

/// Standard INQUIRY data with version descriptors: a fixed disk that conforms to SPC-4 and SBC-3, has command
/// queuing and neither removable media, protection information, third-party copy, nor an enclosure.
#[derive(Clone, Copy, Debug, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct StandardInquiry {
    peripheral: Peripheral,
    removable_medium: u8,
    version: u8,
    response_data_format: u8,
    additional_length: u8,
    protect: u8,
    multi_port: u8,
    command_queuing: u8,
    vendor: [u8; 8],
    product: [u8; 16],
    revision: [u8; 4],
    vendor_specific: [u8; 20],
    clocking: u8,
    reserved_57: u8,
    version_descriptors: [U16; 8],
}

impl StandardInquiry {
    /// The data for one logical unit. Vendor, product and revision are left-aligned ASCII padded by spaces;
    /// bytes that are not graphic ASCII are replaced by spaces ([`graphic_ascii`]).
    #[must_use]
    pub fn new(peripheral: Peripheral, vendor: [u8; 8], product: [u8; 16], revision: [u8; 4]) -> Self {
        const SPC_4: u8 = 0x06;
        const RESPONSE_DATA_FORMAT: u8 = 0x02;
        // The structure's length less the five bytes up to and including this field.
        const ADDITIONAL_LENGTH: u8 = 69;
        const CMDQUE: u8 = 0x02;
        // SAM-5, SPC-4 and SBC-3, none claiming a particular revision (SPC-4, "Version descriptor values").
        const VERSIONS: [U16; 8] = [
            U16::new(0x00A0),
            U16::new(0x0460),
            U16::new(0x04C0),
            U16::ZERO,
            U16::ZERO,
            U16::ZERO,
            U16::ZERO,
            U16::ZERO,
        ];
        Self {
            peripheral,
            removable_medium: 0,
            version: SPC_4,
            response_data_format: RESPONSE_DATA_FORMAT,
            additional_length: ADDITIONAL_LENGTH,
            protect: 0,
            multi_port: 0,
            command_queuing: CMDQUE,
            vendor: graphic_ascii(vendor),
            product: graphic_ascii(product),
            revision: graphic_ascii(revision),
            vendor_specific: [0; 20],
            clocking: 0,
            reserved_57: 0,
            version_descriptors: VERSIONS,
        }
    }
}

/// Replaces what an ASCII data field may not hold (SPC-4, "ASCII data field requirements": codes 20h to 7Eh)
/// by spaces.
#[must_use]
pub fn graphic_ascii<const N: usize>(bytes: [u8; N]) -> [u8; N] {
    bytes.map(|byte| if matches!(byte, 0x20..=0x7E) { byte } else { b' ' })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> StandardInquiry {
        StandardInquiry::new(
            Peripheral::DIRECT_ACCESS,
            *b"NVMe    ",
            *b"QEMU NVMe Ctrl  ",
            *b"1.0 ",
        )
    }

    #[test]
    fn additional_length_counts_what_follows_byte_4() {
        let data = sample();
        let bytes = data.as_bytes();
        assert_eq!(bytes.len(), 74);
        assert_eq!(usize::from(bytes[4]), bytes.len() - 5);
    }

    #[test]
    fn identification_stands_at_8_16_and_32() {
        let data = sample();
        let bytes = data.as_bytes();
        assert_eq!(bytes[..8], [0x00, 0x00, 0x06, 0x02, 69, 0x00, 0x00, 0x02]);
        assert_eq!(&bytes[8..16], b"NVMe    ");
        assert_eq!(&bytes[16..32], b"QEMU NVMe Ctrl  ");
        assert_eq!(&bytes[32..36], b"1.0 ");
        assert_eq!(bytes[58..64], [0x00, 0xA0, 0x04, 0x60, 0x04, 0xC0]);
    }

    #[test]
    fn control_and_non_ascii_bytes_become_spaces() {
        assert_eq!(graphic_ascii([0x00, 0x1F, b' ', b'~', 0x7F, 0xFF]), *b"   ~  ");
    }
}
