//! The message table of an image: the texts of a driver's entries in the event log.
//!
//! Source: "PE Format", "The .rsrc Section"; "`MESSAGE_RESOURCE_DATA` structure", "`MESSAGE_RESOURCE_BLOCK` structure",
//! "`MESSAGE_RESOURCE_ENTRY` structure (winnt.h)". What the table says is checked: an image may come from anywhere.

use std::collections::BTreeMap;

use object::{
    LittleEndian as LE,
    read::pe::{ImageNtHeaders, PeFile, ResourceDirectory, ResourceDirectoryEntryData},
};

const RT_MESSAGETABLE: u16 = 11;
const BLOCK_BYTES: usize = 12;
/// Bytes of an entry before its text.
const ENTRY_HEAD: usize = 4;
/// Flags: a text is UTF-16, or in the system's code page.
const UNICODE: u16 = 1;
/// No table has more messages; one that says so is broken.
const MOST: u32 = 65_536;

/// Why a message table cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessagesError {
    /// The resource section is broken.
    #[error("the image's resource section is broken")]
    Resources,
    /// The table is cut off.
    #[error("the message table ends inside {0}")]
    Truncated(&'static str),
    /// A block's ids are out of order.
    #[error("the block of messages {0:#010x} to {1:#010x} is none")]
    Block(u32, u32),
    /// A message is there twice.
    #[error("message {0:#010x} is there twice")]
    Twice(u32),
}

/// Texts by id, without the end of line that message compilers append. Empty if the image has no message table.
///
/// # Errors
/// [`MessagesError`]
pub fn messages<Pe: ImageNtHeaders>(image: &PeFile<'_, Pe>) -> Result<BTreeMap<u32, String>, MessagesError> {
    let broken = |_| MessagesError::Resources;
    let sections = image.section_table();
    let directories = image.data_directories();
    let mut all = BTreeMap::new();
    let Some(directory) = directories
        .resource_directory(image.data(), &sections)
        .map_err(broken)?
    else {
        return Ok(all);
    };
    let root = directory.root().map_err(broken)?;
    let tables = root
        .entries
        .iter()
        .filter(|entry| entry.name_or_id().id() == Some(RT_MESSAGETABLE));
    for table in tables {
        for (address, length) in leaves(directory, table.data(directory).map_err(broken)?)? {
            let bytes = sections
                .pe_data_at(image.data(), address)
                .and_then(|bytes| bytes.get(..length))
                .ok_or(MessagesError::Resources)?;
            read(bytes, &mut all)?;
        }
    }
    Ok(all)
}

/// Addresses and lengths of a resource's data, in each of its languages.
fn leaves(
    directory: ResourceDirectory<'_>,
    resource: ResourceDirectoryEntryData<'_>,
) -> Result<Vec<(u32, usize)>, MessagesError> {
    // Type, name, language: two levels below the type.
    const LEVELS: usize = 2;
    let mut level = vec![resource];
    let mut found = Vec::new();
    for depth in 0..=LEVELS {
        let mut below = Vec::new();
        for data in level {
            match data {
                ResourceDirectoryEntryData::Data(leaf) => {
                    found.push((leaf.offset_to_data.get(LE), leaf.size.get(LE) as usize));
                }
                ResourceDirectoryEntryData::Table(table) if depth < LEVELS => {
                    for entry in table.entries {
                        below.push(entry.data(directory).map_err(|_| MessagesError::Resources)?);
                    }
                }
                ResourceDirectoryEntryData::Table(_) => return Err(MessagesError::Resources),
            }
        }
        level = below;
    }
    Ok(found)
}

fn word(bytes: &[u8], at: usize, what: &'static str) -> Result<u32, MessagesError> {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map(|word| u32::from_le_bytes(*word))
        .ok_or(MessagesError::Truncated(what))
}

/// Reads a message table.
fn read(bytes: &[u8], all: &mut BTreeMap<u32, String>) -> Result<(), MessagesError> {
    let blocks = word(bytes, 0, "the number of its blocks")?;
    for index in 0..blocks as usize {
        let at = index.saturating_mul(BLOCK_BYTES).saturating_add(4);
        let low = word(bytes, at, "a block")?;
        let high = word(bytes, at.saturating_add(4), "a block")?;
        let mut place = word(bytes, at.saturating_add(8), "a block")? as usize;
        if high < low || high - low >= MOST {
            return Err(MessagesError::Block(low, high));
        }
        for id in low..=high {
            let head = word(bytes, place, "a message")?;
            let (length, flags) = (head & 0xFFFF, head >> 16);
            let length = length as usize;
            let text = bytes
                .get(place..)
                .and_then(|rest| rest.get(ENTRY_HEAD..length))
                .ok_or(MessagesError::Truncated("a message"))?;
            if all
                .insert(id, text_of(text, flags == u32::from(UNICODE)))
                .is_some()
            {
                return Err(MessagesError::Twice(id));
            }
            place += length;
        }
    }
    Ok(())
}

fn text_of(bytes: &[u8], wide: bool) -> String {
    let text = if wide {
        let units = bytes
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
        String::from_utf16_lossy(&units)
    } else {
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(&bytes[..end]).into_owned()
    };
    text.trim_end_matches(['\r', '\n']).to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Made by GNU binutils' `windmc`; see crate `version-resource`.
    const REFERENCE: &[u8] = include_bytes!("../../../version-resource/tests/data/messages.bin");

    #[test]
    fn a_message_compilers_table_is_read() {
        let mut all = BTreeMap::new();
        assert_eq!(read(REFERENCE, &mut all), Ok(()));
        let expected = [
            (0xA004_044D, "%1: one (%2)."),
            (0xA004_044E, "%1: the next, longer (%2)."),
            (0xE004_03EB, "%1: three."),
        ];
        assert!(all.iter().map(|(id, text)| (*id, text.as_str())).eq(expected));
        assert_eq!(read(REFERENCE, &mut all), Err(MessagesError::Twice(0xA004_044D)));
    }

    proptest! {
        /// A broken table is refused or read, never more.
        #[test]
        fn no_table_makes_the_reader_fail(at in 0..REFERENCE.len(), byte in any::<u8>(), length in 0..=REFERENCE.len()) {
            let mut bytes = REFERENCE.to_vec();
            bytes[at] = byte;
            bytes.truncate(length);
            let mut all = BTreeMap::new();
            if read(&bytes, &mut all).is_ok() {
                prop_assert!(all.len() <= MOST as usize * bytes.len());
            }
        }
    }
}
