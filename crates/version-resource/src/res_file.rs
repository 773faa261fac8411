//! The `.res` file that linkers take.
//!
//! Source: Microsoft, "Resource File Formats", "`RESOURCEHEADER` structure". A file is a sequence of headers,
//! each followed by its resource; the first one is empty and marks the 32-bit format.

use crate::{Error, Message, MessageError, VersionInfo, message_table::message_table};

const RT_MESSAGETABLE: u16 = 11;
const RT_VERSION: u16 = 16;
const VS_VERSION_INFO: u16 = 1;
/// The one message table of an image.
const MESSAGES: u16 = 1;
/// `MOVEABLE | PURE`, as resource compilers write it; nobody reads it any more.
const MEMORY_FLAGS: u16 = 0x0030;
const US_ENGLISH: u16 = 0x0409;
const HEADER_SIZE: u32 = 32;

/// A `.res` file with one version resource.
///
/// # Errors
///
/// As [`VersionInfo::to_bytes`].
pub fn to_res_file(version_info: &VersionInfo) -> Result<Vec<u8>, Error> {
    let data = version_info.to_bytes()?;
    file(&data, RT_VERSION, VS_VERSION_INFO).ok_or(Error::TooLong)
}

/// A `.res` file with one message table.
///
/// # Errors
///
/// As [`message_table`].
pub fn messages_to_res_file(messages: &[Message]) -> Result<Vec<u8>, MessageError> {
    let data = message_table(messages)?;
    file(&data, RT_MESSAGETABLE, MESSAGES).ok_or(MessageError::TooLong(0))
}

fn file(data: &[u8], kind: u16, name: u16) -> Option<Vec<u8>> {
    let length = u32::try_from(data.len()).ok()?;
    let mut file = header(0, 0, 0, 0, 0);
    file.extend(header(length, kind, name, MEMORY_FLAGS, US_ENGLISH));
    file.extend(data);
    file.resize(file.len().next_multiple_of(4), 0);
    Some(file)
}

/// A header whose type and name are numbers: each is preceded by 0xFFFF.
fn header(data_size: u32, kind: u16, name: u16, memory_flags: u16, language: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(data_size.to_le_bytes());
    bytes.extend(HEADER_SIZE.to_le_bytes());
    for number in [0xFFFF, kind, 0xFFFF, name] {
        bytes.extend(number.to_le_bytes());
    }
    // Data version, then at the end version and characteristics: unused.
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend(memory_flags.to_le_bytes());
    bytes.extend(language.to_le_bytes());
    bytes.extend([0; 8]);
    bytes
}
