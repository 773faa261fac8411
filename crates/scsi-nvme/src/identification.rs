//! Names and numbers that identify a unit, as text.

use scsi::inquiry::graphic_ascii;

use crate::unit::{Controller, Namespace};

/// T10 VENDOR IDENTIFICATION of every NVMe disk (SNTL 6.1).
pub(crate) const VENDOR: [u8; 8] = *b"NVMe    ";

/// PRODUCT IDENTIFICATION: the first 16 bytes of the model number (SNTL 6.1).
pub(crate) fn product(controller: &Controller) -> [u8; 16] {
    graphic_ascii(
        controller
            .model_number
            .first_chunk()
            .copied()
            .unwrap_or([b' '; 16]),
    )
}

/// PRODUCT REVISION LEVEL: the last four bytes of the firmware revision that are not padding (SNTL 6.1).
pub(crate) fn revision(controller: &Controller) -> [u8; 4] {
    let text = graphic_ascii(controller.firmware_revision);
    text.trim_ascii_end()
        .last_chunk()
        .or_else(|| text.first_chunk())
        .copied()
        .unwrap_or([b' '; 4])
}

/// A short text or identifier under construction; what exceeds `N` bytes is dropped.
pub(crate) struct Text<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Text<N> {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; N],
            length: 0,
        }
    }

    pub(crate) fn push(&mut self, byte: u8) {
        if let Some(to) = self.bytes.get_mut(self.length) {
            *to = byte;
            self.length = self.length.saturating_add(1);
        }
    }

    pub(crate) fn push_all(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.push(*byte);
        }
    }

    /// Two upper case hexadecimal digits a byte.
    pub(crate) fn push_hex(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.push(hex_digit(byte >> 4));
            self.push(hex_digit(byte & 0x0F));
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }
}

const fn hex_digit(nibble: u8) -> u8 {
    match nibble {
        0..=9 => b'0'.wrapping_add(nibble),
        _ => b'A'.wrapping_add(nibble.wrapping_sub(10)),
    }
}

/// Longest [`unit_serial_number`].
pub(crate) const UNIT_SERIAL_NUMBER: usize = 40;

/// PRODUCT SERIAL NUMBER (SNTL 6.1): the NGUID in 40 characters, else the EUI64 in 20, each in groups of four
/// digits with underscores between and a full stop behind; else the controller's serial number and the NSID
/// in 30.
pub(crate) fn unit_serial_number(controller: &Controller, namespace: &Namespace) -> Text<UNIT_SERIAL_NUMBER> {
    let mut text = Text::new();
    if let Some(nguid) = nguid(namespace) {
        push_groups(&mut text, nguid);
    } else if let Some(eui64) = eui64(namespace) {
        push_groups(&mut text, eui64);
    } else {
        text.push_all(&graphic_ascii(controller.serial_number));
        text.push(b'_');
        text.push_hex(&namespace.id().0.to_be_bytes());
    }
    text.push(b'.');
    text
}

fn push_groups(text: &mut Text<UNIT_SERIAL_NUMBER>, identifier: &[u8]) {
    let mut separator = None;
    for group in identifier.chunks(2) {
        if let Some(separator) = separator {
            text.push(separator);
        }
        text.push_hex(group);
        separator = Some(b'_');
    }
}

/// The NGUID, if the namespace has one.
pub(crate) fn nguid(namespace: &Namespace) -> Option<&[u8; 16]> {
    Some(&namespace.nguid).filter(|nguid| nguid.iter().any(|byte| *byte != 0))
}

/// The EUI64, if the namespace has one.
pub(crate) fn eui64(namespace: &Namespace) -> Option<&[u8; 8]> {
    Some(&namespace.eui64).filter(|eui64| eui64.iter().any(|byte| *byte != 0))
}
