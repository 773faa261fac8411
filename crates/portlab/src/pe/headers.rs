//! What the headers of a driver say, checked.

use object::{
    LittleEndian as LE, pe,
    read::pe::{DataDirectories, ImageNtHeaders, ImageOptionalHeader, SectionTable},
};

use super::LoadError;

/// Limit of file and image: the largest drivers of Windows have some tens of MiB.
pub(super) const SIZE_LIMIT: u64 = 256 << 20;
const PAGE: u32 = 4096;

/// A section as it is to be mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) address: u32,
    /// Size in memory, a multiple of the page.
    pub(super) size: u32,
    pub(super) file_offset: u32,
    /// Bytes to copy from the file, at most `size`.
    pub(super) file_size: u32,
    pub(super) read: bool,
    pub(super) write: bool,
    pub(super) execute: bool,
}

/// The checked headers.
pub(super) struct Headers<'data> {
    pub(super) preferred_base: u64,
    pub(super) size: u32,
    pub(super) own_size: u32,
    pub(super) entry: u32,
    pub(super) time_stamp: u32,
    pub(super) relocations_stripped: bool,
    pub(super) sections: Vec<Section>,
    pub(super) directories: DataDirectories<'data>,
    pub(super) table: SectionTable<'data>,
}

const fn machine_name(machine: u16) -> &'static str {
    match machine {
        pe::IMAGE_FILE_MACHINE_ARM64 => "ARM64",
        0xa641 => "ARM64EC",
        pe::IMAGE_FILE_MACHINE_ARMNT | pe::IMAGE_FILE_MACHINE_ARM => "ARM",
        pe::IMAGE_FILE_MACHINE_IA64 => "Itanium",
        _ => "another processor",
    }
}

const fn subsystem_name(subsystem: u16) -> &'static str {
    match subsystem {
        pe::IMAGE_SUBSYSTEM_WINDOWS_GUI => "Windows GUI",
        pe::IMAGE_SUBSYSTEM_WINDOWS_CUI => "Windows console",
        pe::IMAGE_SUBSYSTEM_EFI_APPLICATION => "EFI application",
        pe::IMAGE_SUBSYSTEM_EFI_BOOT_SERVICE_DRIVER => "EFI boot service driver",
        pe::IMAGE_SUBSYSTEM_EFI_RUNTIME_DRIVER => "EFI runtime driver",
        _ => "unknown",
    }
}

fn u16_at(data: &[u8], offset: usize) -> Option<u16> {
    data.get(offset..)?
        .first_chunk()
        .map(|bytes| u16::from_le_bytes(*bytes))
}

/// What can be told before the headers are parsed as PE32+.
fn check_kind(data: &[u8]) -> Result<(), LoadError> {
    if !data.starts_with(b"MZ") {
        return Err(LoadError::NotPe {
            detail: "it does not begin with MZ",
        });
    }
    let offset = data
        .get(0x3c..)
        .and_then(|rest| rest.first_chunk())
        .and_then(|bytes| usize::try_from(u32::from_le_bytes(*bytes)).ok())
        .ok_or(LoadError::NotPe {
            detail: "it ends within the DOS header",
        })?;
    if data.get(offset..).is_none_or(|rest| !rest.starts_with(b"PE\0\0")) {
        return Err(LoadError::NotPe {
            detail: "it has no PE signature",
        });
    }
    let cut = || LoadError::malformed("headers", "the file ends within them");
    let machine = u16_at(data, offset.saturating_add(4)).ok_or_else(cut)?;
    let magic = u16_at(data, offset.saturating_add(24)).ok_or_else(cut)?;
    match machine {
        pe::IMAGE_FILE_MACHINE_AMD64 => {}
        pe::IMAGE_FILE_MACHINE_I386 => return Err(LoadError::Bits32),
        machine => {
            return Err(LoadError::Machine {
                machine,
                name: machine_name(machine),
            });
        }
    }
    match magic {
        pe::IMAGE_NT_OPTIONAL_HDR64_MAGIC => Ok(()),
        pe::IMAGE_NT_OPTIONAL_HDR32_MAGIC => Err(LoadError::Bits32),
        magic => Err(LoadError::malformed(
            "optional header",
            format!("unknown magic {magic:#x}"),
        )),
    }
}

impl<'data> Headers<'data> {
    /// Checks everything that does not depend on where the image is mapped.
    pub(super) fn parse(data: &'data [u8]) -> Result<Self, LoadError> {
        check_kind(data)?;
        let bad = |what| move |error: object::Error| LoadError::malformed(what, error.to_string());
        let dos = pe::ImageDosHeader::parse(data).map_err(bad("DOS header"))?;
        let mut offset = u64::from(dos.nt_headers_offset());
        let (nt, directories) = pe::ImageNtHeaders64::parse(data, &mut offset).map_err(bad("headers"))?;
        let table = nt.sections(data, offset).map_err(bad("section table"))?;
        let optional = nt.optional_header();
        let subsystem = optional.subsystem();
        if subsystem != pe::IMAGE_SUBSYSTEM_NATIVE {
            return Err(LoadError::Subsystem {
                subsystem,
                name: subsystem_name(subsystem),
            });
        }
        let alignment = optional.section_alignment();
        if alignment < PAGE {
            return Err(LoadError::Alignment { alignment });
        }
        let image_size = optional.size_of_image();
        if u64::from(image_size) > SIZE_LIMIT {
            return Err(LoadError::TooLarge {
                what: "image",
                size: image_size.into(),
                limit: SIZE_LIMIT,
            });
        }
        let headers_size = optional.size_of_headers();
        if u64::from(headers_size) > data.len() as u64 || headers_size > image_size {
            return Err(LoadError::malformed(
                "headers",
                format!("they claim {headers_size} bytes"),
            ));
        }
        let sections = sections(&table, data.len(), image_size, headers_size)?;
        let entry = optional.address_of_entry_point();
        if entry == 0 {
            return Err(LoadError::NoEntry { detail: "it is zero" });
        }
        if !sections
            .iter()
            .any(|section| section.execute && section.contains(entry))
        {
            return Err(LoadError::NoEntry {
                detail: "it lies in no section with code",
            });
        }
        let characteristics = nt.file_header().characteristics.get(LE);
        Ok(Self {
            preferred_base: optional.image_base(),
            size: image_size,
            own_size: headers_size,
            entry,
            time_stamp: nt.file_header().time_date_stamp.get(LE),
            relocations_stripped: characteristics & pe::IMAGE_FILE_RELOCS_STRIPPED != 0,
            sections,
            directories,
            table,
        })
    }
}

impl Section {
    pub(super) const fn contains(&self, address: u32) -> bool {
        self.address <= address && address - self.address < self.size
    }
}

fn sections(
    table: &SectionTable<'_>,
    file_length: usize,
    image_size: u32,
    headers_size: u32,
) -> Result<Vec<Section>, LoadError> {
    let mut sections = Vec::new();
    let mut free_from = headers_size.next_multiple_of(PAGE);
    for header in table.iter() {
        let name = String::from_utf8_lossy(header.raw_name()).into_owned();
        let bad = |detail: &str| LoadError::malformed("section table", format!("section {name}: {detail}"));
        let address = header.virtual_address.get(LE);
        let file_size = header.size_of_raw_data.get(LE);
        // A virtual size of zero means the size in the file.
        let virtual_size = match header.virtual_size.get(LE) {
            0 => file_size,
            size => size,
        };
        let size = virtual_size
            .checked_next_multiple_of(PAGE)
            .ok_or_else(|| bad("it is too large"))?;
        let end = address.checked_add(size).ok_or_else(|| bad("it is too large"))?;
        if address % PAGE != 0 {
            return Err(bad("it does not begin on a page"));
        }
        if address < free_from {
            return Err(bad("it overlaps what comes before it"));
        }
        if end > image_size.next_multiple_of(PAGE) {
            return Err(bad("it reaches beyond the image"));
        }
        let file_offset = header.pointer_to_raw_data.get(LE);
        let copied = file_size.min(size);
        if copied != 0 && u64::from(file_offset) + u64::from(copied) > file_length as u64 {
            return Err(bad("it reaches beyond the end of the file"));
        }
        let characteristics = header.characteristics.get(LE);
        sections.push(Section {
            address,
            size,
            file_offset,
            file_size: copied,
            read: characteristics & pe::IMAGE_SCN_MEM_READ != 0,
            write: characteristics & pe::IMAGE_SCN_MEM_WRITE != 0,
            execute: characteristics & pe::IMAGE_SCN_MEM_EXECUTE != 0,
            name,
        });
        free_from = end;
    }
    if sections.is_empty() {
        return Err(LoadError::malformed("section table", "there are no sections"));
    }
    Ok(sections)
}
