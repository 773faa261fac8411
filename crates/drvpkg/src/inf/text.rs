//! The encodings of an INF file.
//!
//! Windows reads INF files in the system's ANSI code page or, with a byte order mark, in UTF-16LE or UTF-8.

use std::str;

/// How an INF file's characters are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8 without a byte order mark; plain ASCII is this one.
    Utf8,
    /// UTF-8 with a byte order mark.
    Utf8Bom,
    /// UTF-16LE with a byte order mark.
    Utf16Le,
    /// Bytes that are not UTF-8: some ANSI code page. Each byte is kept as the character of that number.
    Ansi,
}

/// Why bytes are no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// UTF-16 with an unpaired surrogate or an odd number of bytes.
    #[error("not valid UTF-16 at byte {0}; save the file as UTF-8 or UTF-16LE")]
    Utf16(usize),
    /// UTF-16BE, which INF files cannot be in.
    #[error("UTF-16BE is not an INF encoding; save the file as UTF-8 or UTF-16LE")]
    Utf16Be,
    /// A UTF-8 byte order mark before something that is not UTF-8.
    #[error("not valid UTF-8 at byte {0}; save the file as UTF-8 or UTF-16LE")]
    Utf8(usize),
}

const UTF8_BOM: &[u8] = &[0xEF, 0xBB, 0xBF];
const UTF16_LE_BOM: &[u8] = &[0xFF, 0xFE];
const UTF16_BE_BOM: &[u8] = &[0xFE, 0xFF];

/// The text of an INF file and how it is stored.
///
/// # Errors
/// [`TextError`] when a byte order mark promises an encoding that the rest is not in.
pub fn decode(bytes: &[u8]) -> Result<(Encoding, String), TextError> {
    if let Some(rest) = bytes.strip_prefix(UTF16_LE_BOM) {
        let mut text = String::with_capacity(rest.len() / 2);
        let units = rest.chunks_exact(2);
        if !units.remainder().is_empty() {
            return Err(TextError::Utf16(bytes.len() - 1));
        }
        let mut at = UTF16_LE_BOM.len();
        for unit in char::decode_utf16(units.map(|pair| u16::from_le_bytes([pair[0], pair[1]]))) {
            let character = unit.map_err(|_| TextError::Utf16(at))?;
            at += character.len_utf16() * 2;
            text.push(character);
        }
        return Ok((Encoding::Utf16Le, text));
    }
    if bytes.starts_with(UTF16_BE_BOM) {
        return Err(TextError::Utf16Be);
    }
    if let Some(rest) = bytes.strip_prefix(UTF8_BOM) {
        return match str::from_utf8(rest) {
            Ok(text) => Ok((Encoding::Utf8Bom, text.to_owned())),
            Err(error) => Err(TextError::Utf8(UTF8_BOM.len() + error.valid_up_to())),
        };
    }
    match str::from_utf8(bytes) {
        Ok(text) => Ok((Encoding::Utf8, text.to_owned())),
        Err(_) => Ok((
            Encoding::Ansi,
            bytes.iter().map(|byte| char::from(*byte)).collect(),
        )),
    }
}

/// The bytes of a text in an encoding. A character that an ANSI file cannot hold becomes `?`.
#[must_use]
pub fn encode(encoding: Encoding, text: &str) -> Vec<u8> {
    match encoding {
        Encoding::Utf8 => text.as_bytes().to_vec(),
        Encoding::Utf8Bom => [UTF8_BOM, text.as_bytes()].concat(),
        Encoding::Utf16Le => {
            let units = text.encode_utf16().flat_map(u16::to_le_bytes);
            UTF16_LE_BOM.iter().copied().chain(units).collect()
        }
        Encoding::Ansi => text
            .chars()
            .map(|char| u8::try_from(char).unwrap_or(b'?'))
            .collect(),
    }
}
