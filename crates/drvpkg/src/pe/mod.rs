//! The parts of a PE image that signing looks at: where the checksum, the certificate table's directory
//! entry and the certificate table lie.
//!
//! Source: "PE Format" (Microsoft), sections "Optional Header", "Section Table" and "The Attribute
//! Certificate Table".

pub mod inspect;
pub mod messages;
pub mod version;

use std::ops::Range;

/// Offset of `e_lfanew` in the DOS header.
const E_LFANEW: usize = 0x3C;
/// Bytes from the PE signature to the optional header.
const FILE_HEADER_END: usize = 24;
/// Offset of `CheckSum` in the optional header, PE32 and PE32+ alike.
const CHECKSUM: usize = 64;
/// Index of the certificate table in the data directory.
const CERTIFICATE_TABLE: usize = 4;
/// Size of one section header.
const SECTION_HEADER: usize = 40;
/// The certificate table begins on, and is padded to, such a boundary.
pub const CERTIFICATE_ALIGNMENT: usize = 8;

/// Why an image was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeError {
    /// No PE image at all.
    #[error("not a PE image: {0}; give the .sys (or .dll) that the linker wrote")]
    NotPe(&'static str),
    /// The file ends inside a structure.
    #[error("truncated PE image: {0} lies beyond the end of the file; build it again")]
    Truncated(&'static str),
    /// Section data leaves a gap or overlaps, so that the Authenticode hash is ambiguous.
    #[error(
        "the image's section data is not contiguous at file offset {0:#x}; link without padding between sections"
    )]
    NotContiguous(usize),
    /// The certificate table is not the end of the file, or does not fit.
    #[error(
        "the image's certificate table ({0:#x}..{1:#x}) is not at the end of the file; sign a fresh build"
    )]
    CertificateTable(usize, usize),
    /// Larger than what the format's 32-bit offsets reach.
    #[error("the image is larger than 4 GiB")]
    TooLarge,
}

/// Where the fields that a signature changes lie, as file offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The optional header's `CheckSum`.
    pub checksum: Range<usize>,
    /// The data directory's entry for the certificate table.
    pub certificate_entry: Range<usize>,
    /// The certificate table: empty and at the end of the file when there is none.
    pub certificate_table: Range<usize>,
}

impl Layout {
    /// Finds the fields in an image.
    ///
    /// # Errors
    /// [`PeError`] when this is no PE image, is cut short, or is laid out so that its hash is ambiguous.
    pub fn parse(image: &[u8]) -> Result<Self, PeError> {
        if image.get(..2) != Some(b"MZ") {
            return Err(PeError::NotPe("no MZ signature"));
        }
        let pe = u32_at(image, E_LFANEW).ok_or(PeError::Truncated("e_lfanew"))? as usize;
        if range(image, pe, 4) != Some(b"PE\0\0") {
            return Err(PeError::NotPe("no PE signature"));
        }
        let sections = u16_at(image, pe + 6).ok_or(PeError::Truncated("the file header"))?;
        let optional_size = usize::from(u16_at(image, pe + 20).ok_or(PeError::Truncated("the file header"))?);
        let optional = pe + FILE_HEADER_END;
        let directory = match u16_at(image, optional) {
            Some(0x10B) => 96,
            Some(0x20B) => 112,
            Some(_) => return Err(PeError::NotPe("unknown optional header")),
            None => return Err(PeError::Truncated("the optional header")),
        };
        let entry = directory + CERTIFICATE_TABLE * 8;
        let count =
            u32_at(image, optional + directory - 4).ok_or(PeError::Truncated("the optional header"))?;
        if optional_size < entry + 8 || count as usize <= CERTIFICATE_TABLE {
            return Err(PeError::NotPe("the data directory has no entry for certificates"));
        }
        let certificate_entry = optional + entry..optional + entry + 8;
        let missing = PeError::Truncated("the certificate table's directory entry");
        let start = u32_at(image, certificate_entry.start).ok_or_else(|| missing.clone())? as usize;
        let size = u32_at(image, certificate_entry.start + 4).ok_or(missing)? as usize;
        let certificate_table = if size == 0 {
            image.len()..image.len()
        } else {
            start..start + size
        };

        let headers = u32_at(image, optional + 60).ok_or(PeError::Truncated("SizeOfHeaders"))? as usize;
        let table = optional + optional_size;
        let end_of_sections = end_of_sections(image, table, usize::from(sections), headers)?;
        if certificate_entry.end > headers
            || certificate_table.start < end_of_sections
            || certificate_table.end != image.len()
        {
            return Err(PeError::CertificateTable(
                certificate_table.start,
                certificate_table.end,
            ));
        }
        Ok(Self {
            checksum: optional + CHECKSUM..optional + CHECKSUM + 4,
            certificate_entry,
            certificate_table,
        })
    }

    /// The bytes that the Authenticode hash covers, in order: everything but the checksum, the certificate
    /// table's directory entry and the certificate table ("Calculating the PE Image Hash").
    pub fn hashed<'image>(&self, image: &'image [u8]) -> impl Iterator<Item = &'image [u8]> {
        [
            0..self.checksum.start,
            self.checksum.end..self.certificate_entry.start,
            self.certificate_entry.end..self.certificate_table.start,
        ]
        .into_iter()
        .map(|part| image.get(part).unwrap_or_default())
    }
}

/// Checks that the sections' raw data follows the headers without gap or overlap, which is what makes "the
/// whole file but three holes" and "headers, then sections by offset" the same hash. Returns its end.
fn end_of_sections(image: &[u8], table: usize, count: usize, headers: usize) -> Result<usize, PeError> {
    let mut raw: Vec<(usize, usize)> = Vec::with_capacity(count);
    for index in 0..count {
        let header = table + index * SECTION_HEADER;
        let size = u32_at(image, header + 16).ok_or(PeError::Truncated("the section table"))? as usize;
        let start = u32_at(image, header + 20).ok_or(PeError::Truncated("the section table"))? as usize;
        if size != 0 {
            raw.push((start, size));
        }
    }
    raw.sort_unstable();
    let mut end = headers;
    for (start, size) in raw {
        if start != end {
            return Err(PeError::NotContiguous(end));
        }
        end = start + size;
    }
    if end > image.len() {
        return Err(PeError::Truncated("section data"));
    }
    Ok(end)
}

/// The checksum that belongs in the optional header: the 16-bit one's-complement sum of the file with that
/// field taken as zero, plus the file's length (`CheckSumMappedFile`).
///
/// # Errors
/// [`PeError`] as for [`Layout::parse`].
pub fn checksum(image: &[u8]) -> Result<u32, PeError> {
    let field = Layout::parse(image)?.checksum;
    let length = u32::try_from(image.len()).map_err(|_| PeError::TooLarge)?;
    let mut sum = 0_u32;
    for (index, pair) in image.chunks(2).enumerate() {
        let offset = index * 2;
        let byte = |at: usize| match pair.get(at) {
            Some(_) if field.contains(&(offset + at)) => 0,
            Some(byte) => u32::from(*byte),
            None => 0,
        };
        sum += byte(0) | byte(1) << 8;
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    sum = (sum & 0xFFFF) + (sum >> 16);
    Ok(sum.wrapping_add(length))
}

/// The checksum that the optional header holds.
///
/// # Errors
/// [`PeError`] as for [`Layout::parse`].
pub fn recorded_checksum(image: &[u8]) -> Result<u32, PeError> {
    let field = Layout::parse(image)?.checksum;
    u32_at(image, field.start).ok_or(PeError::Truncated("the checksum"))
}

/// The image without a signature, padded to where a certificate table may begin. Signing starts here, so
/// that the padding is part of what is hashed.
///
/// # Errors
/// [`PeError`] as for [`Layout::parse`].
pub fn without_certificates(image: &[u8]) -> Result<Vec<u8>, PeError> {
    let layout = Layout::parse(image)?;
    let mut bare = image
        .get(..layout.certificate_table.start)
        .unwrap_or_default()
        .to_vec();
    bare.resize(bare.len().next_multiple_of(CERTIFICATE_ALIGNMENT), 0);
    put(&mut bare, layout.certificate_entry, &[0; 8]);
    set_checksum(&mut bare)?;
    Ok(bare)
}

/// Appends one PKCS#7 `WIN_CERTIFICATE` (revision 2.0, `WIN_CERT_TYPE_PKCS_SIGNED_DATA`) to an image made
/// by [`without_certificates`] and corrects its checksum.
///
/// # Errors
/// [`PeError`] as for [`Layout::parse`].
pub fn with_certificate(bare: &[u8], pkcs7: &[u8]) -> Result<Vec<u8>, PeError> {
    let layout = Layout::parse(bare)?;
    let start = u32::try_from(bare.len()).map_err(|_| PeError::TooLarge)?;
    let padded = (8 + pkcs7.len()).next_multiple_of(CERTIFICATE_ALIGNMENT);
    let length = u32::try_from(padded).map_err(|_| PeError::TooLarge)?;
    let mut signed = bare.to_vec();
    signed.extend(length.to_le_bytes());
    signed.extend(0x0200_u16.to_le_bytes());
    signed.extend(0x0002_u16.to_le_bytes());
    signed.extend(pkcs7);
    signed.resize(bare.len() + padded, 0);
    let mut entry = [0; 8];
    entry[..4].copy_from_slice(&start.to_le_bytes());
    entry[4..].copy_from_slice(&length.to_le_bytes());
    put(&mut signed, layout.certificate_entry, &entry);
    set_checksum(&mut signed)?;
    Ok(signed)
}

/// The PKCS#7 blob of the image's first certificate, still padded to eight bytes; `None` when unsigned.
///
/// # Errors
/// [`PeError`] as for [`Layout::parse`], or when the certificate is not a PKCS#7 one.
pub fn certificate(image: &[u8]) -> Result<Option<&[u8]>, PeError> {
    let layout = Layout::parse(image)?;
    let table = image.get(layout.certificate_table.clone()).unwrap_or_default();
    if table.is_empty() {
        return Ok(None);
    }
    let length = u32_at(table, 0).ok_or(PeError::Truncated("the certificate"))? as usize;
    if u16_at(table, 6) != Some(0x0002) {
        return Err(PeError::NotPe("its certificate is not PKCS#7"));
    }
    table
        .get(8..length)
        .map(Some)
        .ok_or(PeError::Truncated("the certificate"))
}

fn set_checksum(image: &mut [u8]) -> Result<(), PeError> {
    let sum = checksum(image)?;
    let field = Layout::parse(image)?.checksum;
    put(image, field, &sum.to_le_bytes());
    Ok(())
}

fn put(image: &mut [u8], at: Range<usize>, bytes: &[u8]) {
    if let Some(slot) = image.get_mut(at) {
        slot.copy_from_slice(bytes);
    }
}

fn range(image: &[u8], at: usize, length: usize) -> Option<&[u8]> {
    image.get(at..at.checked_add(length)?)
}

fn u16_at(image: &[u8], at: usize) -> Option<u16> {
    range(image, at, 2)?.try_into().ok().map(u16::from_le_bytes)
}

fn u32_at(image: &[u8], at: usize) -> Option<u32> {
    range(image, at, 4)?.try_into().ok().map(u32::from_le_bytes)
}
