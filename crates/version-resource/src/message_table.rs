//! A message table: the texts of a driver's entries in the event log.
//!
//! Source: Microsoft, "`MESSAGE_RESOURCE_DATA` structure", "`MESSAGE_RESOURCE_BLOCK` structure", "`MESSAGE_RESOURCE_ENTRY` structure". Blocks
//! of consecutive ids, ascending; each entry says how long it is.

use thiserror::Error;

/// Flag of an entry whose text is UTF-16.
const UNICODE: u16 = 1;
const BLOCK_BYTES: usize = 12;

/// A message: its id as it is logged, and its text. `%1` is the device, `%2` and the following are the strings of the entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The id.
    pub id: u32,
    /// The text, without the end of line that message compilers add.
    pub text: String,
}

/// Why a message table cannot be made.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageError {
    /// Two messages have the same id.
    #[error("message {0:#010x} is there twice")]
    Twice(u32),
    /// A text holds the character that ends it.
    #[error("the text of message {0:#010x} contains a NUL character")]
    Nul(u32),
    /// A text is longer than its 16-bit length can say, or the table longer than 4 GiB.
    #[error("the text of message {0:#010x} is too long")]
    TooLong(u32),
}

/// The resource's bytes, whatever the order of `messages`.
///
/// # Errors
/// [`MessageError`]
pub fn message_table(messages: &[Message]) -> Result<Vec<u8>, MessageError> {
    let mut sorted: Vec<_> = messages.iter().collect();
    sorted.sort_by_key(|message| message.id);
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0].id == pair[1].id) {
        return Err(MessageError::Twice(pair[0].id));
    }
    let blocks: Vec<_> = sorted
        .chunk_by(|before, after| before.id.checked_add(1) == Some(after.id))
        .collect();
    let length = |bytes: usize, id| u32::try_from(bytes).map_err(|_| MessageError::TooLong(id));
    let mut table = Vec::from(length(blocks.len(), 0)?.to_le_bytes());
    let mut entries = Vec::new();
    let first_entry = table.len() + BLOCK_BYTES * blocks.len();
    for block in blocks {
        let (Some(low), Some(high)) = (block.first(), block.last()) else {
            continue;
        };
        for number in [low.id, high.id, length(first_entry + entries.len(), low.id)?] {
            table.extend(number.to_le_bytes());
        }
        for message in block {
            entries.extend(entry(message)?);
        }
    }
    table.extend(entries);
    Ok(table)
}

/// `MESSAGE_RESOURCE_ENTRY`: its length with the padding, its kind, the text with an end of line and a terminator.
fn entry(message: &Message) -> Result<Vec<u8>, MessageError> {
    if message.text.contains('\0') {
        return Err(MessageError::Nul(message.id));
    }
    let text = message.text.encode_utf16().chain([0xD, 0xA, 0]);
    let mut bytes: Vec<u8> = [0, 0]
        .into_iter()
        .chain(UNICODE.to_le_bytes())
        .chain(text.flat_map(u16::to_le_bytes))
        .collect();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    let length = u16::try_from(bytes.len()).map_err(|_| MessageError::TooLong(message.id))?;
    bytes[..2].copy_from_slice(&length.to_le_bytes());
    Ok(bytes)
}
