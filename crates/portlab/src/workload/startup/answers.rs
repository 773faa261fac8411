//! What each answer must look like. Every function takes the bytes that were transferred and returns a short
//! description, or what is wrong.

use std::fmt;

use super::UnitReport;

type Answer = Result<String, String>;

fn byte(data: &[u8], index: usize) -> Result<u8, String> {
    data.get(index)
        .copied()
        .ok_or_else(|| format!("only {} bytes came back", data.len()))
}

fn array<const N: usize>(data: &[u8], index: usize) -> Result<[u8; N], String> {
    data.get(index..)
        .and_then(|tail| tail.first_chunk())
        .copied()
        .ok_or_else(|| format!("only {} bytes came back", data.len()))
}

fn ensure(condition: bool, complaint: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(complaint()) }
}

fn text(data: &[u8], what: &str) -> Answer {
    ensure(data.iter().all(|byte| (0x20..0x7f).contains(byte)), || {
        format!("{what} is not printable ASCII")
    })?;
    Ok(String::from_utf8_lossy(data).trim().to_owned())
}

/// Standard INQUIRY data (SPC-4 6.4.2).
pub(super) fn standard_inquiry(data: &[u8], report: &mut UnitReport) -> Answer {
    ensure(data.len() == 36, || {
        format!("36 bytes were asked for, {} came back", data.len())
    })?;
    let device_type = byte(data, 0)? & 0x1f;
    ensure(byte(data, 3)? & 0xf == 2, || {
        "response data format is not 2".to_owned()
    })?;
    ensure(byte(data, 4)? >= 31, || {
        "additional length says that less than 36 bytes exist".to_owned()
    })?;
    report.device_type = device_type;
    report.vendor = text(&data[8..16], "vendor identification")?;
    report.product = text(&data[16..32], "product identification")?;
    report.revision = text(&data[32..36], "product revision level")?;
    ensure(!report.vendor.is_empty() && !report.product.is_empty(), || {
        "vendor or product is blank".to_owned()
    })?;
    Ok(format!(
        "type {device_type:02x}h, `{}` `{}` `{}`",
        report.vendor, report.product, report.revision
    ))
}

/// Header of a vital product data page (SPC-4 7.8.1): the bytes after it.
fn page_body(page: u8, data: &[u8]) -> Result<&[u8], String> {
    let [_, code, high, low] = array(data, 0)?;
    ensure(code == page, || format!("page code is {code:02x}h"))?;
    let length = usize::from(u16::from_be_bytes([high, low]));
    // All pages that are asked for here fit into the allocation length, unless they are longer than 251 bytes.
    ensure(data.len() == (4 + length).min(255), || {
        format!(
            "page length {length} does not match the {} bytes that came back",
            data.len()
        )
    })?;
    Ok(&data[4..])
}

/// VPD page 00h (SPC-4 7.8.11).
pub(super) fn supported_pages(data: &[u8]) -> Result<Vec<u8>, String> {
    let pages = page_body(0, data)?;
    ensure(pages.is_sorted_by(|a, b| a < b), || {
        "the pages are not in ascending order".to_owned()
    })?;
    for needed in [0x00, 0x83] {
        ensure(pages.contains(&needed), || {
            format!("mandatory page {needed:02x}h is not listed")
        })?;
    }
    Ok(pages.to_vec())
}

/// Any other vital product data page.
pub(super) fn product_data(page: u8, data: &[u8], report: &mut UnitReport) -> Answer {
    let body = page_body(page, data)?;
    match page {
        0x80 => {
            let serial = text(body, "serial number")?;
            ensure(!serial.is_empty(), || "the serial number is blank".to_owned())?;
            report.serial = Some(serial.clone());
            Ok(serial)
        }
        0x83 => identification(body),
        0xb0 => {
            ensure(body.len() == 0x3c, || {
                format!("page length is {}, not 3Ch", body.len())
            })?;
            let maximum = u32::from_be_bytes(array(body, 4)?);
            let optimal = u32::from_be_bytes(array(body, 8)?);
            ensure(maximum == 0 || optimal <= maximum, || {
                format!("optimal transfer length {optimal} is above the maximum {maximum}")
            })?;
            Ok(format!("maximum transfer {maximum} blocks"))
        }
        0xb1 => {
            ensure(body.len() == 0x3c, || {
                format!("page length is {}, not 3Ch", body.len())
            })?;
            Ok(format!(
                "medium rotation rate {}",
                u16::from_be_bytes(array(body, 0)?)
            ))
        }
        _ => Ok(format!("{} bytes", body.len())),
    }
}

/// VPD page 83h (SPC-4 7.8.6): at least one designator of the unit itself that is unique.
fn identification(mut body: &[u8]) -> Answer {
    const UNIQUE: [u8; 4] = [1, 2, 3, 8];
    let mut kinds = Vec::new();
    let mut named = false;
    while !body.is_empty() {
        let [code_set, kind, _, length] = array(body, 0)?;
        let (association, kind) = (kind >> 4 & 3, kind & 0xf);
        let length = usize::from(length);
        let designator = body
            .get(4..4 + length)
            .ok_or("a designator runs over the end of the page")?;
        ensure(length > 0, || format!("designator of type {kind} is empty"))?;
        match (kind, code_set & 0xf) {
            (2, 1) => ensure(matches!(length, 8 | 12 | 16), || {
                format!("an EUI-64 designator is {length} bytes")
            })?,
            (3, 1) => ensure(matches!(length, 8 | 16), || {
                format!("an NAA designator is {length} bytes")
            })?,
            (8, 3) => ensure(length.is_multiple_of(4), || {
                format!("a SCSI name string is {length} bytes")
            })?,
            (_, 2) => drop(text(designator, "an ASCII designator")?),
            _ => {}
        }
        named |= association == 0 && UNIQUE.contains(&kind);
        kinds.push(kind);
        body = &body[4 + length..];
    }
    ensure(named, || {
        "no designator names the logical unit (T10, EUI-64, NAA or name string)".to_owned()
    })?;
    Ok(format!("designators of type {kinds:?}"))
}

/// REPORT LUNS parameter data (SPC-4 6.33): the units in single-level addressing.
pub(super) fn luns(data: &[u8]) -> Result<Vec<u8>, String> {
    let length = u32::from_be_bytes(array(data, 0)?) as usize;
    ensure(length.is_multiple_of(8), || {
        format!("list length {length} is not a multiple of 8")
    })?;
    let list = data.get(8..).unwrap_or_default();
    ensure(list.len() == length, || {
        format!("list length {length} does not match the {} bytes", list.len())
    })?;
    let mut units = Vec::new();
    for entry in list.chunks_exact(8) {
        // Peripheral device addressing on bus 0 (00b), or flat space addressing (01b), one level.
        let flat = entry[0] & 0xc0 == 0x40;
        ensure(entry[2..].iter().all(|byte| *byte == 0), || {
            format!("unit {entry:02x?} has several levels")
        })?;
        ensure(flat || entry[0] == 0, || {
            format!("unit {entry:02x?} is not on bus 0")
        })?;
        ensure(entry[0].trailing_zeros() >= 6, || {
            format!("unit {entry:02x?} is above 255")
        })?;
        ensure(!units.contains(&entry[1]), || {
            format!("unit {} is listed twice", entry[1])
        })?;
        units.push(entry[1]);
    }
    Ok(units)
}

/// Size of a disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Geometry {
    pub(super) blocks: u64,
    pub(super) block_size: u32,
}

impl fmt::Display for Geometry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} blocks of {} bytes", self.blocks, self.block_size)
    }
}

impl Geometry {
    fn checked(self) -> Result<Self, String> {
        let size = self.block_size;
        ensure(size.is_power_of_two() && (512..=65536).contains(&size), || {
            format!("block length is {size}")
        })?;
        Ok(self)
    }

    /// READ CAPACITY(10) must say the same, or `FFFFFFFFh` where it cannot.
    pub(super) fn agrees_with(self, ten: Self) -> Result<(), String> {
        let expected = self.blocks.min(1 << 32);
        ensure(
            ten.blocks == expected && ten.block_size == self.block_size,
            || format!("READ CAPACITY(10) said {ten}, (16) says {self}"),
        )
    }
}

/// READ CAPACITY(10) data (SBC-3 5.15.2).
pub(super) fn capacity_10(data: &[u8]) -> Result<Geometry, String> {
    let last = u32::from_be_bytes(array(data, 0)?);
    Geometry {
        blocks: u64::from(last) + 1,
        block_size: u32::from_be_bytes(array(data, 4)?),
    }
    .checked()
}

/// READ CAPACITY(16) data (SBC-3 5.16.2).
pub(super) fn capacity_16(data: &[u8]) -> Result<Geometry, String> {
    ensure(data.len() >= 14, || {
        format!("only {} bytes came back", data.len())
    })?;
    let last = u64::from_be_bytes(array(data, 0)?);
    let blocks = last
        .checked_add(1)
        .ok_or("the last block address is FFFFFFFFFFFFFFFFh")?;
    Geometry {
        blocks,
        block_size: u32::from_be_bytes(array(data, 8)?),
    }
    .checked()
}

/// Which MODE SENSE the answer belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ModeHeader {
    Six,
    Ten,
}

/// MODE SENSE parameter data (SPC-4 7.5): the page with code `wanted`, from its third byte on.
pub(super) fn mode_page(data: &[u8], wanted: u8, header: ModeHeader) -> Result<Vec<u8>, String> {
    let (declared, size, descriptors) = match header {
        ModeHeader::Six => (usize::from(byte(data, 0)?) + 1, 4, usize::from(byte(data, 3)?)),
        ModeHeader::Ten => (
            usize::from(u16::from_be_bytes(array(data, 0)?)) + 2,
            8,
            usize::from(u16::from_be_bytes(array(data, 6)?)),
        ),
    };
    ensure(declared >= data.len(), || {
        format!("mode data length {declared}, but {} bytes came back", data.len())
    })?;
    ensure(descriptors.is_multiple_of(8), || {
        format!("block descriptor length is {descriptors}")
    })?;
    let mut pages = data
        .get(size + descriptors..)
        .ok_or("the block descriptor runs over the end")?;
    let mut found = None;
    while !pages.is_empty() {
        let [code, length] = array(pages, 0)?;
        let body = pages.get(2..2 + usize::from(length)).ok_or_else(|| {
            format!(
                "page {:02x}h says {length} bytes, {} are there",
                code & 0x3f,
                pages.len() - 2
            )
        })?;
        if code & 0x3f == wanted {
            found = Some(body.to_vec());
        }
        pages = &pages[2 + usize::from(length)..];
    }
    found.ok_or_else(|| format!("page {wanted:02x}h is not there"))
}

/// Caching mode page (SBC-3 6.5.5), from its third byte on.
pub(super) fn caching(page: &[u8], report: &mut UnitReport) -> Answer {
    ensure(page.len() == 0x12, || {
        format!("page length is {}, not 12h", page.len())
    })?;
    let enabled = byte(page, 0)? & 4 != 0;
    if let Some(before) = report.write_cache.replace(enabled)
        && before != enabled
    {
        return Err("MODE SENSE(6) and (10) differ on the write cache".to_owned());
    }
    Ok(format!("write cache {}", if enabled { "on" } else { "off" }))
}
