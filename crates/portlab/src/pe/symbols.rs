//! Names, files and lines from the PDB.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
};

use object::pe;

use super::{Image, headers::Headers};

/// What the image says about its PDB (the `CodeView` RSDS record of the debug directory).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PdbReference {
    pub(super) path: String,
    pub(super) guid: [u8; 16],
}

/// Finds the RSDS record. Source: PE Format, "Debug Directory".
pub(super) fn pdb_reference(headers: &Headers<'_>, memory: &[u8]) -> Option<PdbReference> {
    const ENTRY: usize = 28;
    const CODEVIEW: u32 = 2;
    let (address, size) = headers
        .directories
        .get(pe::IMAGE_DIRECTORY_ENTRY_DEBUG)?
        .address_range();
    let table = memory.get(address as usize..)?.get(..size as usize)?;
    let word = |entry: &[u8], offset: usize| {
        entry
            .get(offset..)
            .and_then(|rest| rest.first_chunk::<4>())
            .map(|bytes| u32::from_le_bytes(*bytes))
    };
    table.chunks_exact(ENTRY).find_map(|entry| {
        if word(entry, 12)? != CODEVIEW {
            return None;
        }
        let (size, address) = (word(entry, 16)? as usize, word(entry, 20)? as usize);
        let record = memory.get(address..)?.get(..size)?.strip_prefix(b"RSDS")?;
        let guid = *record.first_chunk::<16>()?;
        let path = record.get(20..)?.split(|byte| *byte == 0).next()?;
        Some(PdbReference {
            path: String::from_utf8_lossy(path).into_owned(),
            guid,
        })
    })
}

/// Why there are no symbols.
#[derive(Debug, thiserror::Error)]
pub enum SymbolsError {
    /// No PDB where it should be.
    #[error("no PDB found for the driver (looked for {}); back-traces show offsets only", list(.0))]
    Missing(Vec<PathBuf>),
    /// The PDB cannot be read.
    #[error("cannot read {path}: {error}; back-traces show offsets only")]
    Read {
        /// The PDB.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The PDB is damaged.
    #[error("cannot understand {path}: {detail}; back-traces show offsets only")]
    Malformed {
        /// The PDB.
        path: PathBuf,
        /// What the parser said.
        detail: String,
    },
    /// The PDB belongs to another build.
    #[error("{path} belongs to another build of the driver; back-traces show offsets only")]
    OtherBuild {
        /// The PDB.
        path: PathBuf,
    },
}

fn list(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    paths.join(", ")
}

/// One function at an address; several when functions are inlined into each other, innermost first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceFrame {
    /// The function.
    pub function: Option<String>,
    /// The source file.
    pub file: Option<String>,
    /// The line in it.
    pub line: Option<u32>,
}

impl fmt::Display for SourceFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.function.as_deref().unwrap_or("?"))?;
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, " at {file}:{line}"),
            (Some(file), None) => write!(f, " at {file}"),
            _ => Ok(()),
        }
    }
}

type Question = (u32, mpsc::Sender<Vec<SourceFrame>>);

/// The PDB of a driver, ready to name addresses.
///
/// A thread of its own holds the parsed file: look-ups come from threads with small stacks or in odd states.
#[derive(Debug)]
pub struct Symbols {
    questions: mpsc::Sender<Question>,
    path: PathBuf,
}

impl Symbols {
    /// Opens the PDB of `image`: where the image's debug record says, else beside the image under the record's
    /// or the image's own name.
    ///
    /// # Errors
    /// If there is none, or it is not this build's.
    pub fn open(image: &Image) -> Result<Self, SymbolsError> {
        let candidates = candidates(image);
        let Some(path) = candidates.iter().find(|path| path.is_file()).cloned() else {
            return Err(SymbolsError::Missing(candidates));
        };
        let file = fs::File::open(&path).map_err(|error| SymbolsError::Read {
            path: path.clone(),
            error,
        })?;
        let (questions, inbox) = mpsc::channel();
        let (ready, opened) = mpsc::channel();
        let guid = image.pdb.as_ref().map(|pdb| pdb.guid);
        let place = path.clone();
        let server = thread::Builder::new().name("symbols".to_owned());
        server
            .spawn(move || serve(file, &place, guid, &ready, &inbox))
            .map_err(|error| SymbolsError::Read {
                path: path.clone(),
                error,
            })?;
        match opened.recv() {
            Ok(Ok(())) => Ok(Self { questions, path }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(SymbolsError::Malformed {
                path,
                detail: "the parser gave up on it".to_owned(),
            }),
        }
    }

    /// The PDB.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The functions at an offset into the image, innermost first; empty if the PDB knows none.
    #[must_use]
    pub fn at(&self, offset: u32) -> Vec<SourceFrame> {
        let (reply, answer) = mpsc::channel();
        if self.questions.send((offset, reply)).is_err() {
            return Vec::new();
        }
        answer.recv().unwrap_or_default()
    }
}

fn candidates(image: &Image) -> Vec<PathBuf> {
    let beside = image.path().parent().unwrap_or(Path::new(""));
    let mut candidates = Vec::new();
    if let Some(pdb) = &image.pdb {
        // The record's path is that of the build machine, with either kind of separator.
        let name = pdb.path.rsplit(['/', '\\']).next().unwrap_or_default();
        let recorded = PathBuf::from(&pdb.path);
        if recorded.is_absolute() {
            candidates.push(recorded);
        }
        if !name.is_empty() {
            candidates.push(beside.join(name));
        }
    }
    let stem = image.path().with_extension("pdb");
    if !candidates.contains(&stem) {
        candidates.push(stem);
    }
    candidates
}

fn serve(
    file: fs::File,
    path: &Path,
    guid: Option<[u8; 16]>,
    ready: &mpsc::Sender<Result<(), SymbolsError>>,
    inbox: &mpsc::Receiver<Question>,
) {
    let malformed = |detail: String| SymbolsError::Malformed {
        path: path.to_owned(),
        detail,
    };
    let opened = pdb_addr2line::pdb::PDB::open(file)
        .map_err(|error| malformed(error.to_string()))
        .and_then(|mut pdb| {
            let own = pdb
                .pdb_information()
                .map_err(|error| malformed(error.to_string()))?
                .guid;
            if guid.is_some_and(|guid| guid != own.to_bytes_le()) {
                return Err(SymbolsError::OtherBuild {
                    path: path.to_owned(),
                });
            }
            pdb_addr2line::ContextPdbData::try_from_pdb(pdb).map_err(|error| malformed(error.to_string()))
        });
    let data = match opened {
        Ok(data) => data,
        Err(error) => return drop(ready.send(Err(error))),
    };
    let context = match data.make_context() {
        Ok(context) => context,
        Err(error) => return drop(ready.send(Err(malformed(error.to_string())))),
    };
    if ready.send(Ok(())).is_err() {
        return;
    }
    for (offset, reply) in inbox {
        let frames = context
            .find_frames(offset)
            .ok()
            .flatten()
            .map(|found| found.frames)
            .unwrap_or_default();
        let frames = frames.into_iter().map(|frame| SourceFrame {
            function: frame.function,
            file: frame.file.map(std::borrow::Cow::into_owned),
            line: frame.line,
        });
        // Who asked may have gone.
        let _ = reply.send(frames.collect());
    }
}
