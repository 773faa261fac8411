//! A driver in memory.
#![expect(unsafe_code, reason = "maps the image and writes its pages")]

use std::{
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
    ptr,
};

use rustix::mm::{self, MapFlags, MprotectFlags, ProtFlags};
use sha2::{Digest, Sha256};

use super::{
    Binding, ImportName, LoadError,
    headers::{Headers, SIZE_LIMIT, Section},
    import, registry, relocation,
    symbols::{PdbReference, pdb_reference},
};
use crate::{memory::KnownRegion, trap};

const PAGE: usize = 4096;

/// Where images go by default: far from everything else, each with the 2 GiB on both sides that jumps reach, at
/// addresses that are the same in each run and never the preferred base (so that relocations are used).
const FIRST_BASE: usize = 0x2000_0000_0000;
const BASE_DISTANCE: usize = 0x2_0000_0000;
const BASES: usize = 512;

/// A driver mapped, relocated and bound. Dropping it unmaps it: no thread may be inside it then.
#[derive(Debug)]
pub struct Image {
    name: String,
    path: PathBuf,
    sha256: String,
    base: usize,
    /// Mapped bytes: the image, then the thunks.
    mapped: usize,
    size: usize,
    entry: usize,
    time_stamp: u32,
    sections: Vec<Section>,
    /// The image as it was before its first instruction ran.
    pristine: Vec<u8>,
    imports: Vec<ImportName>,
    missing: Vec<ImportName>,
    /// What the model may touch of it.
    _regions: Vec<KnownRegion>,
    pub(super) exception_table: Range<usize>,
    pub(super) pdb: Option<PdbReference>,
}

impl Image {
    /// Loads the driver at `path`; `resolve` says what the model has for each import.
    ///
    /// An import that `resolve` does not know is bound to a thunk that calls the hook of
    /// [`super::set_missing_import_hook`] when the driver calls it.
    ///
    /// # Errors
    /// See [`LoadError`]: each is a line that says what is wrong with the file and what to do.
    pub fn load(
        path: &Path,
        resolve: &mut dyn FnMut(&ImportName) -> Option<Binding>,
    ) -> Result<Self, LoadError> {
        Self::load_at(path, None, resolve)
    }

    /// As [`Image::load`], at a given address (page-aligned and free), or at one of the lab's own choice.
    ///
    /// # Errors
    /// As [`Image::load`]; also if the address is taken.
    pub fn load_at(
        path: &Path,
        address: Option<usize>,
        resolve: &mut dyn FnMut(&ImportName) -> Option<Binding>,
    ) -> Result<Self, LoadError> {
        let read = |error| LoadError::Read {
            path: path.to_owned(),
            error,
        };
        let size = fs::metadata(path).map_err(read)?.len();
        if size > SIZE_LIMIT {
            return Err(LoadError::TooLarge {
                what: "file",
                size,
                limit: SIZE_LIMIT,
            });
        }
        let file = fs::read(path).map_err(read)?;
        Self::from_bytes(&file, path, address, resolve)
    }

    /// As [`Image::load_at`], from the bytes of the file; `path` gives it its name.
    ///
    /// # Errors
    /// As [`Image::load_at`].
    pub fn from_bytes(
        file: &[u8],
        path: &Path,
        address: Option<usize>,
        resolve: &mut dyn FnMut(&ImportName) -> Option<Binding>,
    ) -> Result<Self, LoadError> {
        if file.len() as u64 > SIZE_LIMIT {
            return Err(LoadError::TooLarge {
                what: "file",
                size: file.len() as u64,
                limit: SIZE_LIMIT,
            });
        }
        let headers = Headers::parse(file)?;
        let imports = import::imports(&headers, file)?;
        let image_size = (headers.size as usize).next_multiple_of(PAGE);
        let thunks_size = (imports.len() * import::THUNK_SIZE).next_multiple_of(PAGE);
        let mapping = Mapping::new(image_size + thunks_size, address)?;

        let mut memory = lay_out(&headers, file, image_size);
        relocation::relocate(
            &headers,
            file,
            &mut memory,
            (mapping.base as u64).wrapping_sub(headers.preferred_base),
        )?;
        let (thunks, missing) = bind(&imports, &mut memory, mapping.base + image_size, resolve)?;
        initialise_security_cookie(&headers, &mut memory, mapping.base)?;

        mapping.fill(0, &memory);
        mapping.fill(image_size, &thunks);
        mapping.protect(
            0,
            (headers.own_size as usize).next_multiple_of(PAGE),
            MprotectFlags::READ,
        )?;
        for section in &headers.sections {
            mapping.protect(
                section.address as usize,
                section.size as usize,
                protection(section),
            )?;
        }
        mapping.protect(image_size, thunks_size, MprotectFlags::READ | MprotectFlags::EXEC)?;

        let name = path
            .file_name()
            .map_or_else(|| "driver".to_owned(), |name| name.to_string_lossy().into_owned());
        let image = Self {
            path: path.to_owned(),
            sha256: hexadecimal(&Sha256::digest(file)),
            base: mapping.base,
            mapped: mapping.size,
            size: image_size,
            entry: headers.entry as usize,
            time_stamp: headers.time_stamp,
            exception_table: directory(&headers, object::pe::IMAGE_DIRECTORY_ENTRY_EXCEPTION),
            pdb: pdb_reference(&headers, &memory),
            _regions: regions(&headers, mapping.base, &name),
            sections: headers.sections,
            pristine: memory,
            imports: imports.into_iter().map(|import| import.name).collect(),
            missing,
            name,
        };
        std::mem::forget(mapping);
        registry::enter(image.addresses(), image.name.clone());
        for section in image.sections.iter().filter(|section| section.execute) {
            let start = (image.base + section.address as usize) as u64;
            trap::allow_patching(start..start + u64::from(section.size));
        }
        Ok(image)
    }

    /// Address of `DriverEntry`.
    #[must_use]
    pub const fn entry(&self) -> *const () {
        ptr::with_exposed_provenance(self.base + self.entry)
    }

    /// The addresses of the image (without the thunks behind it).
    #[must_use]
    pub const fn range(&self) -> Range<usize> {
        self.base..self.base + self.size
    }

    /// File name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it was loaded from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// SHA-256 of the file, in hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The header's time stamp (or hash, in reproducible builds).
    #[must_use]
    pub const fn time_stamp(&self) -> u32 {
        self.time_stamp
    }

    /// Everything it imports, in the order of its tables.
    #[must_use]
    pub fn imports(&self) -> &[ImportName] {
        &self.imports
    }

    /// What it imports and the model lacks.
    #[must_use]
    pub fn missing_imports(&self) -> &[ImportName] {
        &self.missing
    }

    /// Names of sections that ask to be writable and executable: they are mapped executable only, and memory
    /// integrity (HVCI) refuses such drivers.
    #[must_use]
    pub fn writable_code_sections(&self) -> Vec<&str> {
        let both = self
            .sections
            .iter()
            .filter(|section| section.write && section.execute);
        both.map(|section| section.name.as_str()).collect()
    }

    /// Brings every writable section back to what it was before the first instruction ran.
    ///
    /// No thread may be inside the image meanwhile.
    pub fn restore(&mut self) {
        for section in self
            .sections
            .iter()
            .filter(|section| section.write && !section.execute)
        {
            let start = section.address as usize;
            let Some(bytes) = self.pristine.get(start..start + section.size as usize) else {
                continue;
            };
            let memory = ptr::with_exposed_provenance_mut::<u8>(self.base + start);
            // SAFETY: a writable section lies wholly within the mapping, which this image owns exclusively.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), memory, bytes.len()) };
        }
    }

    /// The image as laid out, relocated and bound, before its first instruction ran.
    #[must_use]
    pub fn pristine(&self) -> &[u8] {
        &self.pristine
    }

    /// The ranges of code, as addresses.
    pub fn code(&self) -> impl Iterator<Item = Range<usize>> {
        self.sections
            .iter()
            .filter(|section| section.execute)
            .map(|section| {
                let start = self.base + section.address as usize;
                start..start + section.size as usize
            })
    }

    fn addresses(&self) -> Range<u64> {
        self.base as u64..(self.base + self.size) as u64
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        registry::leave(&self.addresses());
        trap::forget_patches(self.addresses());
        // SAFETY: the mapping is this image's own; the caller keeps threads out of it.
        let unmapped = unsafe { mm::munmap(ptr::with_exposed_provenance_mut(self.base), self.mapped) };
        debug_assert!(unmapped.is_ok());
    }
}

/// Pages for an image in the making; unmapped when dropped.
struct Mapping {
    base: usize,
    size: usize,
}

impl Mapping {
    fn new(size: usize, address: Option<usize>) -> Result<Self, LoadError> {
        let failed = |error: io::Error| LoadError::Map {
            size,
            at: address
                .map(|address| format!(" at {address:#x}"))
                .unwrap_or_default(),
            error,
        };
        let map = |address: usize, flags: MapFlags| {
            let hint = ptr::with_exposed_provenance_mut(address);
            // SAFETY: NOREPLACE, or an address of the kernel's choice: nothing that exists is touched.
            unsafe {
                mm::mmap_anonymous(
                    hint,
                    size,
                    ProtFlags::READ | ProtFlags::WRITE,
                    MapFlags::PRIVATE | flags,
                )
            }
            .map(|memory| Self {
                base: memory.expose_provenance(),
                size,
            })
            .map_err(io::Error::from)
        };
        if let Some(address) = address {
            if address % PAGE != 0 {
                return Err(failed(io::ErrorKind::InvalidInput.into()));
            }
            return map(address, MapFlags::FIXED_NOREPLACE).map_err(failed);
        }
        (0..BASES)
            .find_map(|index| map(FIRST_BASE + index * BASE_DISTANCE, MapFlags::FIXED_NOREPLACE).ok())
            .map_or_else(|| map(0, MapFlags::empty()), Ok)
            .map_err(failed)
    }

    fn fill(&self, offset: usize, bytes: &[u8]) {
        debug_assert!(offset + bytes.len() <= self.size);
        let memory = ptr::with_exposed_provenance_mut::<u8>(self.base + offset);
        // SAFETY: the bytes lie within the mapping, which is still writable and nobody else's.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), memory, bytes.len()) };
    }

    fn protect(&self, offset: usize, length: usize, flags: MprotectFlags) -> Result<(), LoadError> {
        if length == 0 {
            return Ok(());
        }
        debug_assert!(offset + length <= self.size);
        let memory = ptr::with_exposed_provenance_mut(self.base + offset);
        // SAFETY: the pages belong to this mapping and no code runs in it yet.
        unsafe { mm::mprotect(memory, length, flags) }.map_err(|error| LoadError::Map {
            size: length,
            at: String::new(),
            error: error.into(),
        })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nothing refers into it yet.
        let unmapped = unsafe { mm::munmap(ptr::with_exposed_provenance_mut(self.base), self.size) };
        debug_assert!(unmapped.is_ok());
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('?');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

fn regions(headers: &Headers<'_>, base: usize, name: &str) -> Vec<KnownRegion> {
    let sections = headers.sections.iter().map(|section| {
        let start = base as u64 + u64::from(section.address);
        let writable = section.write && !section.execute;
        KnownRegion::new(
            start..start + u64::from(section.size),
            writable,
            format!("section {} of {name}", section.name),
        )
    });
    let end = base as u64 + u64::from(headers.own_size);
    sections
        .chain([KnownRegion::new(
            base as u64..end,
            false,
            format!("the headers of {name}"),
        )])
        .collect()
}

/// Never writable and executable: such a section is mapped as code.
fn protection(section: &Section) -> MprotectFlags {
    let mut flags = MprotectFlags::empty();
    // x86-64 has no writable or executable pages that cannot be read.
    if section.read || section.write || section.execute {
        flags |= MprotectFlags::READ;
    }
    if section.execute {
        flags |= MprotectFlags::EXEC;
    } else if section.write {
        flags |= MprotectFlags::WRITE;
    }
    flags
}

fn lay_out(headers: &Headers<'_>, file: &[u8], image_size: usize) -> Vec<u8> {
    let mut memory = vec![0; image_size];
    let mut copy = |address: u32, offset: u32, size: u32| {
        let from = file
            .get(offset as usize..)
            .and_then(|rest| rest.get(..size as usize));
        let to = memory
            .get_mut(address as usize..)
            .and_then(|rest| rest.get_mut(..size as usize));
        if let (Some(from), Some(to)) = (from, to) {
            to.copy_from_slice(from);
        }
    };
    copy(0, 0, headers.own_size);
    for section in &headers.sections {
        copy(section.address, section.file_offset, section.file_size);
    }
    memory
}

/// Writes the import address tables; the thunks' bytes and what has no binding.
fn bind(
    imports: &[import::Import],
    memory: &mut [u8],
    thunks_base: usize,
    resolve: &mut dyn FnMut(&ImportName) -> Option<Binding>,
) -> Result<(Vec<u8>, Vec<ImportName>), LoadError> {
    let mut thunks = Vec::with_capacity(imports.len() * import::THUNK_SIZE);
    let mut missing = Vec::new();
    for import in imports {
        let thunk = thunks_base + thunks.len();
        let (address, code) = match resolve(&import.name) {
            Some(Binding::Data(variable)) => (variable.expose_provenance(), Vec::new()),
            Some(Binding::Function(function)) => (thunk, import::function_thunk(function)),
            None => {
                missing.push(import.name.clone());
                // The thunk holds the name's address for as long as the driver may call it.
                let name = Box::leak(Box::new(import.name.clone()));
                (thunk, import::missing_thunk(name))
            }
        };
        debug_assert!(code.len() <= import::THUNK_SIZE);
        if !code.is_empty() {
            thunks.extend(code);
            thunks.resize(thunks.len().next_multiple_of(import::THUNK_SIZE), 0xcc);
        }
        let slot = memory
            .get_mut(import.slot as usize..)
            .and_then(|rest| rest.first_chunk_mut::<8>());
        *slot.ok_or_else(|| LoadError::malformed("import table", "it runs beyond the image"))? =
            (address as u64).to_le_bytes();
    }
    Ok((thunks, missing))
}

fn directory(headers: &Headers<'_>, index: usize) -> Range<usize> {
    let Some(directory) = headers.directories.get(index) else {
        return 0..0;
    };
    let (address, size) = directory.address_range();
    let (start, end) = (address as usize, address as usize + size as usize);
    if end <= headers.size as usize {
        start..end
    } else {
        0..0
    }
}

/// Gives `/GS` code its cookie, as the loader of Windows does: the value the linker left is the same in every
/// image. Source: PE Format, "The Load Configuration Structure".
fn initialise_security_cookie(
    headers: &Headers<'_>,
    memory: &mut [u8],
    base: usize,
) -> Result<(), LoadError> {
    const COOKIE_FIELD: usize = 0x58;
    const UNSET: u64 = 0x0000_2b99_2ddf_a232;
    let table = directory(headers, object::pe::IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG);
    let field = memory
        .get(table.start + COOKIE_FIELD..)
        .and_then(|rest| rest.first_chunk::<8>());
    let (false, Some(field)) = (table.is_empty(), field) else {
        return Ok(());
    };
    // The structure's own size says how much of it there is; the directory's size is not reliable.
    let size = memory
        .get(table.start..)
        .and_then(|rest| rest.first_chunk::<4>())
        .map(|size| u32::from_le_bytes(*size));
    if size.is_none_or(|size| (size as usize) < COOKIE_FIELD + 8) {
        return Ok(());
    }
    let address = u64::from_le_bytes(*field);
    if address == 0 {
        return Ok(());
    }
    let cookie = address
        .checked_sub(base as u64)
        .and_then(|offset| memory.get_mut(usize::try_from(offset).ok()?..))
        .and_then(|rest| rest.first_chunk_mut::<8>())
        .ok_or_else(|| {
            LoadError::malformed("load configuration", "the security cookie is outside the image")
        })?;
    if matches!(u64::from_le_bytes(*cookie), 0 | UNSET) {
        // The upper 16 bits are zero in every cookie, against string overflows. The same value in each run, so
        // that runs can be repeated.
        let mixed = (base as u64 >> 12).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let value = (UNSET ^ mixed) & 0xffff_ffff_ffff;
        *cookie = value.to_le_bytes();
    }
    Ok(())
}
