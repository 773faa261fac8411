//! The file version in an image's VERSIONINFO resource.
//!
//! Source: "`VS_VERSIONINFO`" and "`VS_FIXEDFILEINFO` structure (verrsrc.h)".

use object::{
    LittleEndian as LE, pe,
    read::pe::{ImageNtHeaders, PeFile, ResourceDirectoryEntryData},
};

use crate::civil::DriverVersion;

/// The key of the root block, NUL included: sixteen UTF-16 units.
const KEY: &str = "VS_VERSION_INFO\0";
/// Offset of the fixed part: three 16-bit fields, the key, padding to four bytes.
const FIXED: usize = 40;
/// `VS_FFI_SIGNATURE`.
const SIGNATURE: u32 = 0xFEEF_04BD;

/// The file version, if the image has a VERSIONINFO resource.
#[must_use]
pub fn file_version<Pe: ImageNtHeaders>(image: &PeFile<'_, Pe>) -> Option<DriverVersion> {
    let sections = image.section_table();
    let directory = image
        .data_directories()
        .resource_directory(image.data(), &sections)
        .ok()??;
    let root = directory.root().ok()?;
    let version = root
        .entries
        .iter()
        .find(|entry| entry.name_or_id().id().is_some_and(|id| id == pe::RT_VERSION))?;
    let mut data = version.data(directory).ok()?;
    // Two more levels: name, then language.
    for _ in 0..2 {
        let ResourceDirectoryEntryData::Table(table) = data else {
            break;
        };
        data = table.entries.first()?.data(directory).ok()?;
    }
    let leaf = data.data()?;
    let at = leaf.offset_to_data.get(LE);
    let block = sections
        .pe_data_at(image.data(), at)?
        .get(..leaf.size.get(LE) as usize)?;
    fixed_file_version(block)
}

fn fixed_file_version(block: &[u8]) -> Option<DriverVersion> {
    let key: Vec<u8> = KEY.encode_utf16().flat_map(u16::to_le_bytes).collect();
    if block.get(6..6 + key.len())? != key {
        return None;
    }
    let word = |index: usize| {
        let at = FIXED + index * 4;
        block.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
    };
    if word(0)? != SIGNATURE {
        return None;
    }
    let halves = |value: u32| [(value >> 16) as u16, (value & 0xFFFF) as u16];
    let [major, minor] = halves(word(2)?);
    let [build, revision] = halves(word(3)?);
    Some(DriverVersion([major, minor, build, revision]))
}
