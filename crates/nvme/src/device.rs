//! Builders of the admin commands that are about the device itself: its security protocols, its firmware, and erasing
//! it (Base 2.0, chapter 5).

use crate::command::{NamespaceId, SubmissionEntry, admin_opcode};

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

/// Firmware Image Download of `dwords` dwords at `offset` dwords from the image's beginning. NUMD is 0's based: 0 dwords asks for
/// one.
#[must_use]
pub const fn firmware_image_download(offset: u32, dwords: u32) -> SubmissionEntry {
    let mut entry = SubmissionEntry::new(admin_opcode::FIRMWARE_IMAGE_DOWNLOAD);
    entry.dword10 = dwords.saturating_sub(1);
    entry.dword11 = offset;
    entry
}

/// Firmware Commit of the image that was downloaded to a slot (FS; 0: the controller chooses), to be in force after the next
/// controller level reset: CA 001b.
#[must_use]
pub const fn firmware_commit(slot: u8) -> SubmissionEntry {
    const REPLACE_AND_ACTIVATE_BY_RESET: u32 = 1 << 3;
    let mut entry = SubmissionEntry::new(admin_opcode::FIRMWARE_COMMIT);
    entry.dword10 = slot as u32 & 7 | REPLACE_AND_ACTIVATE_BY_RESET;
    entry
}

/// SANACT, what Sanitize does; overwriting is left out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum SanitizeAction {
    /// Leaves the failure mode.
    ExitFailureMode = 1,
    /// Erases all blocks.
    BlockErase = 2,
    /// Changes the media encryption keys.
    CryptoErase = 4,
}

/// Sanitize of the whole NVM subsystem, all its namespaces; it goes on when this command has ended, and
/// [`SANITIZE_STATUS`](crate::log::LogPageId::SANITIZE_STATUS) tells of it. With `unrestricted_exit` (AUSE) a failure can be left by
/// [`SanitizeAction::ExitFailureMode`].
#[must_use]
pub const fn sanitize(action: SanitizeAction, unrestricted_exit: bool) -> SubmissionEntry {
    let mut entry = SubmissionEntry::new(admin_opcode::SANITIZE);
    entry.dword10 = action as u32 | (unrestricted_exit as u32) << 3;
    entry
}

/// SES, how Format NVM erases.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum SecureErase {
    /// All user data are erased.
    UserData = 1,
    /// The encryption key is deleted.
    Cryptographic = 2,
}

/// Format NVM of `namespace` to the format that it has, FLBAS of Identify Namespace, without protection information; its data are
/// erased.
#[must_use]
pub const fn format(namespace: NamespaceId, flbas: u8, erase: SecureErase) -> SubmissionEntry {
    // Bits 3:0 and 6:5 of FLBAS are the format's index, bit 4 where its metadata are.
    let (low, high) = ((flbas & 0x1F) as u32, (flbas >> 5 & 3) as u32);
    let mut entry = SubmissionEntry::new(admin_opcode::FORMAT_NVM).with_namespace(namespace);
    entry.dword10 = low | high << 12 | (erase as u32) << 9;
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

    #[test]
    fn what_erases_says_how() {
        let words = sanitize(SanitizeAction::CryptoErase, true).to_dwords();
        assert_eq!((words[0], words[1], words[10]), (0x84, 0, 0x0C));
        assert_eq!(sanitize(SanitizeAction::BlockErase, false).dword10, 2);
        let words = format(NamespaceId(3), 0x31, SecureErase::Cryptographic).to_dwords();
        assert_eq!((words[0], words[1], words[10]), (0x80, 3, 0x1411));
        assert_eq!(format(NamespaceId(1), 0, SecureErase::UserData).dword10, 0x200);
    }

    #[test]
    fn firmware_commands_count_dwords_and_name_the_slot() {
        let download = firmware_image_download(0x400, 0x400).to_dwords();
        assert_eq!((download[0], download[10], download[11]), (0x11, 0x3FF, 0x400));
        assert_eq!(
            firmware_commit(0x0A).to_dwords()[..11],
            [0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0A]
        );
    }
}
