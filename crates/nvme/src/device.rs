//! Builders of the admin commands that are about the device itself: its security protocols (Base 2.0, chapter 5).

use crate::command::{SubmissionEntry, admin_opcode};

/// Security Receive of at most `bytes` bytes: SECP, SPSP and AL.
#[must_use]
pub const fn security_receive(protocol: u8, specific: u16, bytes: u32) -> SubmissionEntry {
    security(admin_opcode::SECURITY_RECEIVE, protocol, specific, bytes)
}

/// Security Send of `bytes` bytes: SECP, SPSP and TL.
#[must_use]
pub const fn security_send(protocol: u8, specific: u16, bytes: u32) -> SubmissionEntry {
    security(admin_opcode::SECURITY_SEND, protocol, specific, bytes)
}

/// SECP 31:24, SPSP 23:8, NSSF 7:0; the number of bytes. The controller is addressed, not a namespace.
const fn security(opcode: u8, protocol: u8, specific: u16, bytes: u32) -> SubmissionEntry {
    let mut entry = SubmissionEntry::new(opcode);
    entry.dword10 = (protocol as u32) << 24 | (specific as u32) << 8;
    entry.dword11 = bytes;
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn security_commands_place_protocol_and_length() {
        let words = security_send(0xF0, 0x1234, 0x200).to_dwords();
        assert_eq!(
            (words[0], words[1], words[10], words[11]),
            (0x81, 0, 0xF012_3400, 0x200)
        );
        assert_eq!(security_receive(0, 0, 0).to_dwords()[0], 0x82);
    }
}
