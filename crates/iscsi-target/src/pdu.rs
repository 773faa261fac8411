//! The basic header segment (RFC 7143, 11.2).

/// Bytes of a basic header segment.
pub const HEADER: usize = 48;

/// The tag that refers to nothing.
pub const NO_TAG: u32 = 0xFFFF_FFFF;

/// Operation codes (RFC 7143, 11.2.1.2).
pub mod opcode {
    #![expect(missing_docs, reason = "the names are the standard's")]
    pub const NOP_OUT: u8 = 0x00;
    pub const SCSI_COMMAND: u8 = 0x01;
    pub const TASK_MANAGEMENT: u8 = 0x02;
    pub const LOGIN: u8 = 0x03;
    pub const TEXT: u8 = 0x04;
    pub const DATA_OUT: u8 = 0x05;
    pub const LOGOUT: u8 = 0x06;
    pub const SNACK: u8 = 0x10;
    pub const NOP_IN: u8 = 0x20;
    pub const SCSI_RESPONSE: u8 = 0x21;
    pub const TASK_MANAGEMENT_RESPONSE: u8 = 0x22;
    pub const LOGIN_RESPONSE: u8 = 0x23;
    pub const TEXT_RESPONSE: u8 = 0x24;
    pub const DATA_IN: u8 = 0x25;
    pub const LOGOUT_RESPONSE: u8 = 0x26;
    pub const R2T: u8 = 0x31;
    pub const REJECT: u8 = 0x3F;
}

/// Reasons of a Reject PDU (RFC 7143, 11.17.1).
pub mod reject {
    #![expect(missing_docs, reason = "the names are the standard's")]
    pub const DATA_DIGEST_ERROR: u8 = 0x02;
    pub const SNACK: u8 = 0x03;
    pub const PROTOCOL_ERROR: u8 = 0x04;
    pub const COMMAND_NOT_SUPPORTED: u8 = 0x05;
    pub const TOO_MANY_IMMEDIATE: u8 = 0x06;
    pub const TASK_IN_PROGRESS: u8 = 0x07;
    pub const INVALID_PDU_FIELD: u8 = 0x09;
    pub const OUT_OF_RESOURCES: u8 = 0x0A;
}

/// The final bit of byte 1.
pub const FINAL: u8 = 0x80;
/// The continue bit of login and text PDUs.
pub const CONTINUE: u8 = 0x40;

/// A basic header segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header(pub [u8; HEADER]);

impl Header {
    /// A header with the operation code `opcode` and byte 1 as `flags`.
    #[must_use]
    pub const fn new(opcode: u8, flags: u8) -> Self {
        let mut bytes = [0; HEADER];
        bytes[0] = opcode;
        bytes[1] = flags;
        Self(bytes)
    }

    /// The operation code, without the immediate bit.
    #[must_use]
    pub const fn opcode(&self) -> u8 {
        self.0[0] & 0x3F
    }

    /// Whether it is marked for immediate delivery.
    #[must_use]
    pub const fn immediate(&self) -> bool {
        self.0[0] & 0x40 != 0
    }

    /// Byte 1: flags that depend on the operation code.
    #[must_use]
    pub const fn flags(&self) -> u8 {
        self.0[1]
    }

    /// Bytes of all additional header segments.
    #[must_use]
    pub const fn additional_length(&self) -> usize {
        self.0[4] as usize * 4
    }

    /// Bytes of the data segment, without padding.
    #[must_use]
    pub const fn data_length(&self) -> usize {
        (self.0[5] as usize) << 16 | (self.0[6] as usize) << 8 | self.0[7] as usize
    }

    /// Sets the length of the data segment; lengths are below 2^24.
    #[expect(clippy::cast_possible_truncation, reason = "byte by byte")]
    pub fn set_data_length(&mut self, length: usize) {
        self.0[5] = (length >> 16) as u8;
        self.0[6] = (length >> 8) as u8;
        self.0[7] = length as u8;
    }

    /// The logical unit number, as it is on the wire (SAM-5, 4.7).
    #[must_use]
    pub const fn lun(&self) -> [u8; 8] {
        let [_, _, _, _, _, _, _, _, rest @ ..] = &self.0;
        match rest.first_chunk() {
            Some(lun) => *lun,
            None => [0; 8],
        }
    }

    /// The initiator task tag.
    #[must_use]
    pub const fn task_tag(&self) -> u32 {
        self.word(16)
    }

    /// The big-endian word at `offset`; offsets are constants of the standard, at most 44.
    #[must_use]
    pub const fn word(&self, offset: usize) -> u32 {
        u32::from_be_bytes([
            self.0[offset],
            self.0[offset + 1],
            self.0[offset + 2],
            self.0[offset + 3],
        ])
    }

    /// Sets the big-endian word at `offset`; see [`Self::word`].
    pub fn set_word(&mut self, offset: usize, value: u32) {
        self.0[offset..offset + 4].copy_from_slice(&value.to_be_bytes());
    }

    /// Copies `bytes` to `offset`, both constants of the standard.
    pub fn set_bytes(&mut self, offset: usize, bytes: &[u8]) {
        self.0[offset..offset + bytes.len()].copy_from_slice(bytes);
    }
}

/// Whether serial number `a` comes before `b` (RFC 1982, 32 bits).
#[must_use]
pub const fn before(a: u32, b: u32) -> bool {
    a != b && b.wrapping_sub(a) < 0x8000_0000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_wrap() {
        assert!(before(1, 2));
        assert!(before(0xFFFF_FFFF, 0));
        assert!(!before(0, 0xFFFF_FFFF));
        assert!(!before(7, 7));
    }

    #[test]
    fn lengths_are_24_bits() {
        let mut header = Header::new(opcode::TEXT, FINAL);
        header.set_data_length(0x12_3456);
        assert_eq!(header.data_length(), 0x12_3456);
        assert_eq!(&header.0[5..8], &[0x12, 0x34, 0x56]);
    }
}
