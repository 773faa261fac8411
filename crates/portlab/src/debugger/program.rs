//! The driver's functions: where they are, their lines, and what was inlined into them.

use std::{collections::BTreeMap, fs, ops::Range};

use iced_x86::{Decoder, DecoderOptions};
use pdb_addr2line::{Context, ContextPdbData, pdb::PDB};

use super::symbols::DebugError;
use crate::pe::{Image, Symbols};

/// A place in the source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Source {
    /// Path, as the compiler wrote it down.
    pub file: String,
    /// Line; 0 if it is not known.
    pub line: u32,
}

/// A function of the driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its path: `nvme_core::queue::submit`.
    pub name: String,
    /// Offsets into the image.
    pub range: Range<u32>,
    /// From which offset on which line is executed; the innermost one where functions are inlined.
    pub rows: Vec<(u32, Source)>,
    /// What was inlined into it.
    pub inlined: Vec<Inlined>,
}

/// A function that was inlined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inlined {
    /// Its path.
    pub name: String,
    /// Where it is called.
    pub call: Source,
    /// Where its instructions are.
    pub ranges: Vec<Range<u32>>,
    /// What was inlined into it in turn.
    pub inlined: Vec<Inlined>,
}

/// All functions of a driver, by address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// In the order of their addresses; they do not overlap.
    pub functions: Vec<Function>,
}

impl Program {
    /// Reads the functions of `image` from its PDB.
    ///
    /// # Errors
    /// If there is no PDB of this very build, or it cannot be understood.
    pub fn of(image: &Image) -> Result<Self, DebugError> {
        // Finds it, and knows that it belongs to this build.
        let path = Symbols::open(image)?.path().to_owned();
        let malformed = |error: &dyn std::fmt::Display| DebugError::Pdb {
            path: path.clone(),
            detail: error.to_string(),
        };
        let file = fs::File::open(&path).map_err(|error| malformed(&error))?;
        let pdb = PDB::open(file).map_err(|error| malformed(&error))?;
        let data = ContextPdbData::try_from_pdb(pdb).map_err(|error| malformed(&error))?;
        let context = data.make_context().map_err(|error| malformed(&error))?;
        Ok(Self {
            functions: functions(image, &context),
        })
    }
}

fn functions(image: &Image, context: &Context<'_, '_>) -> Vec<Function> {
    let code: Vec<Range<usize>> = image.code_offsets().collect();
    let mut starts: BTreeMap<u32, (Option<u32>, String)> = BTreeMap::new();
    for function in context.functions() {
        let within = code
            .iter()
            .any(|range| range.contains(&(function.start_rva as usize)));
        if let Some(name) = function.name.filter(|_| within) {
            starts
                .entry(function.start_rva)
                .or_insert((function.end_rva, name));
        }
    }
    let ends: Vec<u32> = starts.keys().skip(1).copied().chain([u32::MAX]).collect();
    let mut functions = Vec::new();
    for ((start, (end, name)), next) in starts.into_iter().zip(ends) {
        let section = code.iter().find(|range| range.contains(&(start as usize)));
        let last = section.map_or(start, |range| u32::try_from(range.end).unwrap_or(u32::MAX));
        let end = end.unwrap_or(next).min(next).min(last);
        if end > start {
            functions.push(function(image, context, start..end, &name));
        }
    }
    functions
}

fn function(image: &Image, context: &Context<'_, '_>, range: Range<u32>, name: &str) -> Function {
    let mut function = Function {
        name: plain(name),
        range: range.clone(),
        rows: Vec::new(),
        inlined: Vec::new(),
    };
    for instruction in instructions(image, &range) {
        let frames = context.find_frames(instruction.start).ok().flatten();
        let frames = frames.map(|found| found.frames).unwrap_or_default();
        let place = |index: usize| {
            frames.get(index).map_or_else(Source::default, |frame| Source {
                file: frame.file.as_deref().unwrap_or_default().to_owned(),
                line: frame.line.unwrap_or(0),
            })
        };
        let here = place(0);
        if !here.file.is_empty() && function.rows.last().is_none_or(|(_, last)| *last != here) {
            function.rows.push((instruction.start, here));
        }
        // Outermost first; the last one is the function itself.
        let mut level = &mut function.inlined;
        for index in (0..frames.len().saturating_sub(1)).rev() {
            let name = frames[index].function.as_deref().unwrap_or("?");
            let call = place(index + 1);
            level = enter(level, &plain(name), call, &instruction);
        }
    }
    function
}

/// The inlined function that `instruction` belongs to gets it.
fn enter<'a>(
    level: &'a mut Vec<Inlined>,
    name: &str,
    call: Source,
    instruction: &Range<u32>,
) -> &'a mut Vec<Inlined> {
    let found = level
        .iter()
        .position(|known| known.name == name && known.call == call);
    let index = found.unwrap_or(level.len());
    if found.is_none() {
        level.push(Inlined {
            name: name.to_owned(),
            call,
            ranges: Vec::new(),
            inlined: Vec::new(),
        });
    }
    let inlined = &mut level[index];
    match inlined.ranges.last_mut() {
        Some(last) if last.end == instruction.start => last.end = instruction.end,
        _ => inlined.ranges.push(instruction.clone()),
    }
    &mut inlined.inlined
}

/// The instructions in a range of the image.
pub(super) fn instructions(image: &Image, range: &Range<u32>) -> Vec<Range<u32>> {
    decode(image, range)
        .into_iter()
        .map(|instruction| {
            let start = u32::try_from(instruction.ip()).unwrap_or(u32::MAX);
            start..u32::try_from(instruction.next_ip()).unwrap_or(u32::MAX)
        })
        .collect()
}

/// The same, decoded; their addresses are offsets into the image.
pub(super) fn decode(image: &Image, range: &Range<u32>) -> Vec<iced_x86::Instruction> {
    let bytes = image.pristine().get(range.start as usize..range.end as usize);
    let bytes = bytes.unwrap_or_default();
    Decoder::with_ip(64, bytes, u64::from(range.start), DecoderOptions::NONE)
        .into_iter()
        .collect()
}

/// A function's path without the types of its parameters.
fn plain(name: &str) -> String {
    let mut depth = 0_u32;
    let end = name.char_indices().find(|(_, character)| {
        match character {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && *character == '('
    });
    name[..end.map_or(name.len(), |(index, _)| index)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn parameters_are_no_part_of_a_path() {
        assert_eq!(plain("a::b(core::ffi::c_void*, u32)"), "a::b");
        assert_eq!(plain("a::run<fn(u32)>(u8)"), "a::run<fn(u32)>");
        assert_eq!(plain("HwStartIo"), "HwStartIo");
    }
}
