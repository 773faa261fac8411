//! `drvpkg explain`.

use std::path::PathBuf;

use clap::Args;
use drvpkg::code::{Cause, Code, CodeError, Place, Reached, Symbols, reached};

use super::{Answer, Outcome, read};

#[derive(Debug, Args)]
#[command(
    after_help = "The release flavour of a miniport refers to a symbol that does not exist wherever a panic can be \
                        reached, or an SRB is dropped. Give an image that was linked with such symbols left unresolved \
                        (/FORCE:UNRESOLVED) and /OPT:NOICF. Exit code 1 when a symbol is unresolved."
)]
pub(crate) struct Explain {
    /// The image
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Its symbols
    #[arg(long, value_name = "FILE")]
    pdb: PathBuf,
    /// The root of the miniport's sources
    #[arg(long, value_name = "DIR", default_value = ".")]
    sources: PathBuf,
}

/// The code of an image could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
struct Failed {
    path: String,
    source: CodeError,
}

impl Explain {
    pub(super) fn run(&self) -> Answer {
        let failed = |source| Failed {
            path: self.file.display().to_string(),
            source,
        };
        let image = read(&self.file)?;
        let symbols = Symbols::open(&self.pdb)?;
        let code = Code::of(&image, Some(&symbols)).map_err(failed)?;
        let sources = self
            .sources
            .canonicalize()
            .unwrap_or_else(|_| self.sources.clone());
        let found = reached(&code, &symbols, &sources).map_err(failed)?;
        if found.is_empty() {
            println!("no unresolved symbol is referred to from {}", sources.display());
            return Ok(Outcome::Done);
        }
        println!("The release flavour was not linked:");
        for found in &found {
            print(found, &sources);
        }
        println!("docs/guide/two-flavours.md says what to do about it.");
        Ok(Outcome::Refused)
    }
}

fn print(found: &Reached, sources: &std::path::Path) {
    println!();
    match found.cause {
        Cause::Panic => println!("a panic can be reached: {}", in_words(&found.by)),
        Cause::DroppedSrb => println!("an SRB is dropped: complete it or park it"),
        Cause::Unresolved => println!("a symbol that no library has is used"),
    }
    for (depth, place) in found.places.iter().enumerate() {
        let lead = if depth == 0 { "at" } else { "inlined at" };
        println!("  {lead} {}", describe(place, sources));
    }
}

fn describe(place: &Place, sources: &std::path::Path) -> String {
    let file = std::path::Path::new(&place.file);
    let file = file.strip_prefix(sources).unwrap_or(file).display();
    match place.line {
        Some(line) => format!("{file}:{line} in {}", place.function),
        None => format!("{file} in {}", place.function),
    }
}

/// What leads to a panic, by the functions of core that make it, nearest first.
fn in_words(functions: &[String]) -> String {
    const WORDS: [(&str, &str); 17] = [
        ("panic_bounds_check", "an index may be out of bounds"),
        ("slice_index_fail", "a range may be outside of its slice"),
        ("slice_start_index", "a range may be outside of its slice"),
        ("slice_end_index", "a range may be outside of its slice"),
        ("slice_index_order", "a range may end before it begins"),
        (
            "option::unwrap_failed",
            "an Option may be None where it is unwrapped",
        ),
        (
            "option::expect_failed",
            "an Option may be None where it is expected",
        ),
        (
            "result::unwrap_failed",
            "a Result may be an error where it is unwrapped",
        ),
        ("div_by_zero", "a divisor may be zero"),
        ("rem_by_zero", "a divisor may be zero"),
        ("overflow", "arithmetic may overflow"),
        ("len_mismatch", "slices of different lengths may be copied"),
        ("copy_from_slice", "slices of different lengths may be copied"),
        ("panic_nounwind", "a condition that may not be broken is checked"),
        ("panic_in_cleanup", "a panic while unwinding"),
        (
            "async_fn_resumed",
            "an async function may be resumed after its end",
        ),
        (
            "core::panicking::panic",
            "an explicit panic, assert or unreachable",
        ),
    ];
    let words = functions.iter().find_map(|function| {
        WORDS
            .iter()
            .find(|(part, _)| function.contains(part))
            .map(|(_, words)| *words)
    });
    match (functions.first(), words) {
        (None, _) => "an explicit panic".to_owned(),
        (Some(nearest), None) => format!("by {nearest}"),
        (Some(nearest), Some(words)) => format!("{words} ({nearest})"),
    }
}
