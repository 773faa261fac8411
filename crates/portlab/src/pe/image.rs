//! A driver in memory.
#![expect(unsafe_code, reason = "maps the image and writes its pages")]

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
    ptr,
};

use rustix::mm::{self, MprotectFlags};
use sha2::{Digest, Sha256};

use super::{
    Binding, ImportName, LoadError,
    headers::{Headers, SIZE_LIMIT, Section},
    import,
    layout::{bind, directory, initialise_security_cookie, lay_out},
    mapping::Mapping,
    registry, relocation,
    symbols::{PdbReference, pdb_reference},
    variables,
};
use crate::{memory::KnownRegion, trap};

const PAGE: usize = 4096;

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
        mapping.keep();
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

    /// The kernel's variable that the driver reads or writes at `address`, if it is one that the model lacks.
    #[must_use]
    pub fn missing_variable(&self, address: u64) -> Option<&ImportName> {
        variables::at(&self.missing, address)
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

    /// The same, as offsets into the image.
    pub(crate) fn code_offsets(&self) -> impl Iterator<Item = Range<usize>> {
        let base = self.base;
        self.code().map(move |range| range.start - base..range.end - base)
    }

    /// Where the function table is, as offsets into the image.
    pub(crate) fn exception_table(&self) -> Range<usize> {
        self.exception_table.clone()
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
