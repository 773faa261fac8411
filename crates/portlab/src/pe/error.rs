//! Why a file cannot be loaded as a driver.

use std::{io, path::PathBuf};

/// Each is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read {path}: {error}; give the path of a .sys file that exists and is readable")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// No `MZ` or no `PE` signature.
    #[error("this is not a PE file ({detail}); give the .sys itself, not a package, archive or symbol file")]
    NotPe {
        /// What is missing.
        detail: &'static str,
    },
    /// PE32.
    #[error("this is a 32-bit image; the lab runs x64 drivers: build for x86_64 (x64)")]
    Bits32,
    /// Another processor.
    #[error(
        "this image is for {name} (machine {machine:#06x}); the lab runs x64 drivers: build for x86_64 (x64)"
    )]
    Machine {
        /// The header's machine field.
        machine: u16,
        /// What that is.
        name: &'static str,
    },
    /// Not a native image.
    #[error(
        "this is no driver: its subsystem is {name} ({subsystem}), not native (1); link with /SUBSYSTEM:NATIVE"
    )]
    Subsystem {
        /// The header's subsystem field.
        subsystem: u16,
        /// What that is.
        name: &'static str,
    },
    /// Entry point zero or not in code.
    #[error("the image has no usable entry point ({detail}); link with /ENTRY:DriverEntry")]
    NoEntry {
        /// What is wrong with it.
        detail: &'static str,
    },
    /// Headers or directories contradict themselves.
    #[error("the image is malformed: {what}: {detail}; it is damaged or cut off: build or copy it again")]
    Malformed {
        /// Which part.
        what: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// No base relocations.
    #[error("the image cannot be relocated ({detail}); link with /DYNAMICBASE and without /FIXED")]
    Relocation {
        /// What is wrong.
        detail: String,
    },
    /// Import by ordinal.
    #[error(
        "the image imports ordinal {ordinal} of {module}; drivers import by name: use an import library with names"
    )]
    ImportByOrdinal {
        /// The exporting module.
        module: String,
        /// The ordinal.
        ordinal: u16,
    },
    /// Sections smaller than pages.
    #[error("the image's section alignment is {alignment}, less than a page; link with /ALIGN:4096")]
    Alignment {
        /// The header's section alignment.
        alignment: u32,
    },
    /// File or image too large.
    #[error("the {what} has {size} bytes, more than the {limit} the lab accepts; is this really a driver?")]
    TooLarge {
        /// File or image.
        what: &'static str,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// No memory for it.
    #[error("cannot map {size} bytes for the image{at}: {error}; free memory or choose another address")]
    Map {
        /// Size of the mapping.
        size: usize,
        /// " at ADDRESS", if one was asked for.
        at: String,
        /// What the system said.
        error: io::Error,
    },
}

impl LoadError {
    pub(super) fn malformed(what: &'static str, detail: impl Into<String>) -> Self {
        Self::Malformed {
            what,
            detail: detail.into(),
        }
    }
}
