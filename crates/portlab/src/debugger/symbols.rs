//! Symbols for gdb: an ELF file that holds nothing but DWARF (version 4), all addresses offsets into the image.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use gimli::{
    Encoding, Format, LineEncoding, LittleEndian, constants,
    write::{
        Address, AttributeValue, DebugFrame, Dwarf, EndianVec, FileId, LineProgram, LineString, Range,
        RangeList, Sections, Unit, UnitEntryId,
    },
};
use object::{
    Endianness, elf,
    write::elf::{FileHeader, SectionHeader, Writer},
};

use super::{
    frames,
    program::{Function, Inlined, Program, Source},
};
use crate::pe::{Image, SymbolsError};

/// Why a debugger has no symbols.
#[derive(Debug, thiserror::Error)]
pub enum DebugError {
    /// There is no PDB.
    #[error(transparent)]
    Symbols(#[from] SymbolsError),
    /// The PDB cannot be read.
    #[error("cannot understand {path}: {detail}", path = path.display())]
    Pdb {
        /// The PDB.
        path: PathBuf,
        /// What the parser said.
        detail: String,
    },
    /// DWARF cannot say it.
    #[error("cannot write DWARF: {0}")]
    Dwarf(#[from] gimli::write::Error),
    /// ELF cannot say it.
    #[error("cannot write ELF: {0}")]
    Elf(#[from] object::write::Error),
    /// The file cannot be written.
    #[error("cannot write {path}: {error}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// Version of DWARF.
const ENCODING: Encoding = Encoding {
    format: Format::Dwarf32,
    version: 4,
    address_size: 8,
};

/// Writes the symbols of `image` for gdb's `add-symbol-file FILE -o BASE`; how many functions they name.
///
/// # Errors
/// If there is no PDB of this build, or the file cannot be written.
pub fn write(image: &Image, path: &Path) -> Result<usize, DebugError> {
    let program = Program::of(image)?;
    let mut sections = dwarf(&program)?;
    let mut frames = DebugFrame::from(EndianVec::new(LittleEndian));
    frames::table(image, &program).write_debug_frame(&mut frames)?;
    sections.push((".debug_frame", frames.0.into_vec()));
    let start = image.code_offsets().map(|range| range.start).min().unwrap_or(0);
    let end = image.code_offsets().map(|range| range.end).max().unwrap_or(start);
    let file = file(start..end, &sections)?;
    fs::write(path, file).map_err(|error| DebugError::Write {
        path: path.to_owned(),
        error,
    })?;
    Ok(program.functions.len())
}

/// The DWARF sections, by name.
fn dwarf(program: &Program) -> Result<Vec<(&'static str, Vec<u8>)>, DebugError> {
    let mut dwarf = Dwarf::new();
    // gdb takes the language of a unit for that of everything in it.
    for rust in [true, false] {
        let functions: Vec<&Function> = program
            .functions
            .iter()
            .filter(|function| is_rust(function) == rust)
            .collect();
        if !functions.is_empty() {
            unit(&mut dwarf, &functions, rust);
        }
    }
    let mut sections = Sections::new(EndianVec::new(LittleEndian));
    dwarf.write(&mut sections)?;
    let mut written = Vec::new();
    sections.for_each(|id, bytes| -> Result<(), DebugError> {
        if !bytes.slice().is_empty() {
            written.push((id.name(), bytes.slice().to_vec()));
        }
        Ok(())
    })?;
    Ok(written)
}

fn is_rust(function: &Function) -> bool {
    function.rows.first().is_some_and(|(_, source)| {
        Path::new(&source.file)
            .extension()
            .is_some_and(|extension| extension == "rs")
    })
}

/// One compilation unit in the making.
struct Writing<'a> {
    dwarf: &'a mut Dwarf,
    unit: Unit,
    files: BTreeMap<String, FileId>,
    /// Modules, by path.
    modules: BTreeMap<String, UnitEntryId>,
    /// What inlined functions refer to, by path.
    originals: BTreeMap<String, UnitEntryId>,
    rust: bool,
}

fn unit(dwarf: &mut Dwarf, functions: &[&Function], rust: bool) {
    let directory = LineString::String(b"/".to_vec());
    let name = LineString::String(if rust {
        b"driver.rs".to_vec()
    } else {
        b"driver.c".to_vec()
    });
    let lines = LineProgram::new(ENCODING, LineEncoding::default(), directory, None, name, None);
    let mut writing = Writing {
        unit: Unit::new(ENCODING, lines),
        dwarf,
        files: BTreeMap::new(),
        modules: BTreeMap::new(),
        originals: BTreeMap::new(),
        rust,
    };
    for function in functions {
        writing.lines(function);
    }
    let language = if rust {
        constants::DW_LANG_Rust
    } else {
        constants::DW_LANG_C99
    };
    let root = writing.unit.root();
    let producer = writing.dwarf.strings.add("portlab debug");
    let name = writing
        .dwarf
        .strings
        .add(if rust { "driver.rs" } else { "driver.c" });
    let ranges: Vec<Range> = functions.iter().map(|function| range(&function.range)).collect();
    let ranges = writing.unit.ranges.add(RangeList(ranges));
    let entry = writing.unit.get_mut(root);
    entry.set(constants::DW_AT_producer, AttributeValue::StringRef(producer));
    entry.set(constants::DW_AT_name, AttributeValue::StringRef(name));
    entry.set(constants::DW_AT_language, AttributeValue::Language(language));
    entry.set(constants::DW_AT_ranges, AttributeValue::RangeListRef(ranges));
    // Ranges are relative to it.
    entry.set(
        constants::DW_AT_low_pc,
        AttributeValue::Address(Address::Constant(0)),
    );
    for function in functions {
        writing.function(function);
    }
    let unit = writing.unit;
    dwarf.units.add(unit);
}

fn range(range: &std::ops::Range<u32>) -> Range {
    Range::StartLength {
        begin: Address::Constant(u64::from(range.start)),
        length: u64::from(range.end - range.start),
    }
}

impl Writing<'_> {
    fn file(&mut self, path: &str) -> FileId {
        if let Some(id) = self.files.get(path) {
            return *id;
        }
        let lines = &mut self.unit.line_program;
        let directory = lines.default_directory();
        let path_or_unknown = if path.is_empty() { "unknown" } else { path };
        let id = lines.add_file(
            LineString::String(path_or_unknown.as_bytes().to_vec()),
            directory,
            None,
        );
        self.files.insert(path.to_owned(), id);
        id
    }

    fn lines(&mut self, function: &Function) {
        if function.rows.is_empty() {
            return;
        }
        let start = u64::from(function.range.start);
        let rows: Vec<(u64, FileId, u32)> = function
            .rows
            .iter()
            .map(|(offset, source)| {
                let file = self.file(&source.file);
                (u64::from(*offset) - start, file, source.line)
            })
            .collect();
        let lines = &mut self.unit.line_program;
        lines.begin_sequence(Some(Address::Constant(start)));
        for (offset, file, line) in rows {
            let row = lines.row();
            row.address_offset = offset;
            row.file = file;
            row.line = u64::from(line);
            lines.generate_row();
        }
        lines.end_sequence(u64::from(function.range.end) - start);
    }

    /// The entry that a function of this path belongs into, and the rest of its path.
    fn module<'p>(&mut self, path: &'p str) -> (UnitEntryId, &'p str) {
        let mut parent = self.unit.root();
        if !self.rust {
            return (parent, path);
        }
        let mut begin = 0;
        while let Some(length) = path.get(begin..).and_then(module_end) {
            let module = path.get(..begin + length).unwrap_or_default();
            let name = path.get(begin..begin + length).unwrap_or_default();
            parent = if let Some(known) = self.modules.get(module) {
                *known
            } else {
                let name = self.dwarf.strings.add(name);
                let id = self.unit.add(parent, constants::DW_TAG_namespace);
                let entry = self.unit.get_mut(id);
                entry.set(constants::DW_AT_name, AttributeValue::StringRef(name));
                self.modules.insert(module.to_owned(), id);
                id
            };
            begin += length + 2;
        }
        (parent, path.get(begin..).unwrap_or(path))
    }

    fn function(&mut self, function: &Function) {
        let (parent, name) = self.module(&function.name);
        let name = self.dwarf.strings.add(name);
        let id = self.unit.add(parent, constants::DW_TAG_subprogram);
        let place = function.rows.first().map(|(_, source)| source.clone());
        let file = place.as_ref().map(|source| self.file(&source.file));
        let entry = self.unit.get_mut(id);
        entry.set(constants::DW_AT_name, AttributeValue::StringRef(name));
        entry.set(constants::DW_AT_external, AttributeValue::Flag(true));
        let start = u64::from(function.range.start);
        entry.set(
            constants::DW_AT_low_pc,
            AttributeValue::Address(Address::Constant(start)),
        );
        let length = u64::from(function.range.end) - start;
        entry.set(constants::DW_AT_high_pc, AttributeValue::Udata(length));
        if let (Some(file), Some(source)) = (file, place) {
            entry.set(constants::DW_AT_decl_file, AttributeValue::FileIndex(Some(file)));
            entry.set(
                constants::DW_AT_decl_line,
                AttributeValue::Udata(u64::from(source.line)),
            );
        }
        for inlined in &function.inlined {
            self.inlined(id, inlined);
        }
    }

    fn inlined(&mut self, parent: UnitEntryId, inlined: &Inlined) {
        let original = self.original(&inlined.name);
        let Source { file, line } = &inlined.call;
        let file = self.file(file);
        let ranges: Vec<Range> = inlined.ranges.iter().map(range).collect();
        let ranges = self.unit.ranges.add(RangeList(ranges));
        let id = self.unit.add(parent, constants::DW_TAG_inlined_subroutine);
        let entry = self.unit.get_mut(id);
        entry.set(
            constants::DW_AT_abstract_origin,
            AttributeValue::UnitRef(original),
        );
        entry.set(constants::DW_AT_ranges, AttributeValue::RangeListRef(ranges));
        entry.set(constants::DW_AT_call_file, AttributeValue::FileIndex(Some(file)));
        entry.set(
            constants::DW_AT_call_line,
            AttributeValue::Udata(u64::from(*line)),
        );
        for inner in &inlined.inlined {
            self.inlined(id, inner);
        }
    }

    /// The entry of a function that was inlined somewhere.
    fn original(&mut self, path: &str) -> UnitEntryId {
        if let Some(known) = self.originals.get(path) {
            return *known;
        }
        let (parent, name) = self.module(path);
        let name = self.dwarf.strings.add(name);
        let id = self.unit.add(parent, constants::DW_TAG_subprogram);
        let entry = self.unit.get_mut(id);
        entry.set(constants::DW_AT_name, AttributeValue::StringRef(name));
        entry.set(
            constants::DW_AT_inline,
            AttributeValue::Inline(constants::DW_INL_inlined),
        );
        self.originals.insert(path.to_owned(), id);
        id
    }
}

/// Where the first part of a path ends, if others follow; `::` within generic arguments separates nothing.
fn module_end(path: &str) -> Option<usize> {
    let mut depth = 0_u32;
    let mut characters = path.char_indices().peekable();
    while let Some((index, character)) = characters.next() {
        match character {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            ':' if depth == 0 && characters.peek().is_some_and(|(_, next)| *next == ':') => {
                return Some(index);
            }
            _ => {}
        }
    }
    None
}

/// An ELF file with `sections`, and a section without content where the image's code is.
fn file(code: std::ops::Range<usize>, sections: &[(&'static str, Vec<u8>)]) -> Result<Vec<u8>, DebugError> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(Endianness::Little, true, &mut bytes);
    writer.reserve_file_header();
    let text = writer.add_section_name(b".text");
    writer.reserve_section_index();
    let mut places = Vec::new();
    for (name, content) in sections {
        let name = writer.add_section_name(name.as_bytes());
        writer.reserve_section_index();
        places.push((name, writer.reserve(content.len(), 1), content));
    }
    writer.reserve_shstrtab_section_index();
    writer.reserve_shstrtab();
    writer.reserve_section_headers();
    writer.write_file_header(&FileHeader {
        os_abi: elf::ELFOSABI_NONE,
        abi_version: 0,
        e_type: elf::ET_DYN,
        e_machine: elf::EM_X86_64,
        e_entry: 0,
        e_flags: 0,
    })?;
    for (_, offset, content) in &places {
        writer.pad_until(*offset);
        writer.write(content);
    }
    writer.write_shstrtab();
    writer.write_null_section_header();
    writer.write_section_header(&SectionHeader {
        name: Some(text),
        sh_type: elf::SHT_NOBITS,
        sh_flags: u64::from(elf::SHF_ALLOC | elf::SHF_EXECINSTR),
        sh_addr: code.start as u64,
        sh_offset: 0,
        sh_size: code.len() as u64,
        sh_link: 0,
        sh_info: 0,
        sh_addralign: 1,
        sh_entsize: 0,
    });
    for (name, offset, content) in &places {
        writer.write_section_header(&SectionHeader {
            name: Some(*name),
            sh_type: elf::SHT_PROGBITS,
            sh_flags: 0,
            sh_addr: 0,
            sh_offset: *offset as u64,
            sh_size: content.len() as u64,
            sh_link: 0,
            sh_info: 0,
            sh_addralign: 1,
            sh_entsize: 0,
        });
    }
    writer.write_shstrtab_section_header();
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::module_end;

    #[test]
    fn modules_are_parts_of_a_path() {
        assert_eq!(module_end("a::b"), Some(1));
        assert_eq!(module_end("run<x::Y>"), None);
        assert_eq!(module_end("impl$0<x::Y>::run"), Some(12));
        assert_eq!(module_end("main"), None);
    }
}
