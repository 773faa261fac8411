//! The machine code of a finished image: its functions, their stack frames, who calls whom.
//!
//! Sources: "PE Format"; "x64 exception handling" (Microsoft) for the unwind data; the names and lines come from the PDB.

mod calls;
mod frames;
mod gates;
mod reach;
mod symbols;

use std::{collections::BTreeMap, path::PathBuf};

use iced_x86::{Decoder, DecoderOptions, Instruction};
use object::{
    LittleEndian as LE, pe,
    read::pe::{ImageNtHeaders, ImageOptionalHeader, PeFile64},
};

pub use self::{
    calls::{Branch, Target},
    frames::{Frame, FrameSize},
    gates::gates,
    reach::{Cause, Place, Reached, reached},
    symbols::Symbols,
};

/// Why the code of an image cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// Not PE32+.
    #[error("not a 64-bit (PE32+) image: {0}; build for x86_64-pc-windows-msvc")]
    NotPe64(object::Error),
    /// A table in it is broken.
    #[error("the image's {0} is malformed; link it again")]
    Malformed(&'static str),
    /// The PDB cannot be read.
    #[error("{path}: {detail}; build the driver again")]
    Symbols {
        /// The PDB.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
}

/// One function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Address of its first byte, relative to the image.
    pub start: u32,
    /// Address behind its last byte.
    pub end: u32,
    /// What the PDB calls it.
    pub name: Option<String>,
}

impl Function {
    /// Its name, or its address.
    #[must_use]
    pub fn label(&self) -> String {
        self.name
            .clone()
            .unwrap_or_else(|| format!("the function at +{:#x}", self.start))
    }
}

struct Section<'image> {
    start: u32,
    bytes: &'image [u8],
    executable: bool,
}

/// An image's code.
pub struct Code<'image> {
    sections: Vec<Section<'image>>,
    /// Addresses that are mapped.
    size: u32,
    /// `.pdata`.
    exceptions: &'image [u8],
    functions: Vec<Function>,
}

impl<'image> Code<'image> {
    /// Reads the function table, and what the PDB knows if there is one. Without a PDB functions that need no unwind data
    /// are not told apart.
    ///
    /// # Errors
    /// [`CodeError`] when this is no well-formed PE32+ image, or the PDB is none.
    pub fn of(image: &'image [u8], symbols: Option<&Symbols>) -> Result<Self, CodeError> {
        let file = PeFile64::parse(image).map_err(CodeError::NotPe64)?;
        let mut sections = Vec::new();
        for section in file.section_table().iter() {
            sections.push(Section {
                start: section.virtual_address.get(LE),
                bytes: section
                    .pe_data(image)
                    .map_err(|_| CodeError::Malformed("section table"))?,
                executable: section.characteristics.get(LE) & pe::IMAGE_SCN_MEM_EXECUTE != 0,
            });
        }
        let mut code = Self {
            sections,
            size: file.nt_headers().optional_header().size_of_image(),
            exceptions: &[],
            functions: Vec::new(),
        };
        if let Some(directory) = file.data_directory(pe::IMAGE_DIRECTORY_ENTRY_EXCEPTION) {
            let (start, size) = directory.address_range();
            code.exceptions = code
                .bytes(start)
                .and_then(|bytes| bytes.get(..size as usize))
                .ok_or(CodeError::Malformed("exception directory"))?;
        }
        code.functions = code.find_functions(symbols)?;
        Ok(code)
    }

    /// The functions, by address.
    #[must_use]
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// The function that an address lies in.
    #[must_use]
    pub fn function_at(&self, address: u32) -> Option<&Function> {
        let after = self
            .functions
            .partition_point(|function| function.start <= address);
        self.functions
            .get(after.checked_sub(1)?)
            .filter(|function| address < function.end)
    }

    /// The bytes from an address to the end of its section.
    fn bytes(&self, address: u32) -> Option<&'image [u8]> {
        self.sections.iter().find_map(|section| {
            let offset = address.checked_sub(section.start)?;
            section
                .bytes
                .get(offset as usize..)
                .filter(|rest| !rest.is_empty())
        })
    }

    /// The instructions of a function.
    fn instructions(&self, function: &Function) -> Vec<Instruction> {
        let bytes = self.bytes(function.start).unwrap_or_default();
        let length = (function.end - function.start) as usize;
        let bytes = bytes.get(..length).unwrap_or(bytes);
        Decoder::with_ip(64, bytes, u64::from(function.start), DecoderOptions::NONE)
            .into_iter()
            .collect()
    }

    /// Where functions begin: by the function table and by the PDB. Each ends where the next begins, at the latest.
    fn find_functions(&self, symbols: Option<&Symbols>) -> Result<Vec<Function>, CodeError> {
        let mut starts: BTreeMap<u32, (Option<u32>, Option<String>)> = BTreeMap::new();
        for record in self.records() {
            starts.insert(record.begin_address.get(), (Some(record.end_address.get()), None));
        }
        for known in symbols.map(Symbols::functions).transpose()?.unwrap_or_default() {
            let entry = starts.entry(known.start).or_insert((known.end, None));
            entry.1 = entry.1.take().or(known.name);
        }
        // Code before the first known function, or without any.
        for section in self.sections.iter().filter(|section| section.executable) {
            starts.entry(section.start).or_insert((None, None));
        }
        let mut functions = Vec::with_capacity(starts.len());
        let mut next = starts.keys().copied().skip(1).collect::<Vec<_>>().into_iter();
        for (start, (end, name)) in starts {
            let next = next.next();
            let Some(section) = self.sections.iter().find(|section| {
                section.executable
                    && start
                        .checked_sub(section.start)
                        .is_some_and(|offset| (offset as usize) < section.bytes.len())
            }) else {
                // A name of data, or of code that was never linked in.
                continue;
            };
            let section_end = section
                .start
                .saturating_add(u32::try_from(section.bytes.len()).unwrap_or(u32::MAX));
            let limit = next.unwrap_or(u32::MAX).min(section_end);
            let end = end.unwrap_or(limit).min(limit);
            if end > start {
                functions.push(Function { start, end, name });
            }
        }
        Ok(functions)
    }
}
