//! Names, files and lines from the PDB.

use std::{
    borrow::Cow,
    fs::File,
    path::{Path, PathBuf},
};

use pdb_addr2line::{Context, ContextPdbData, TypeFormatterFlags, pdb::PDB};

use super::{CodeError, Place};

/// A PDB.
pub struct Symbols {
    path: PathBuf,
    data: ContextPdbData<'static, 'static, File>,
}

/// What a PDB knows of a function.
pub(super) struct Known {
    pub(super) start: u32,
    pub(super) end: Option<u32>,
    pub(super) name: Option<String>,
}

impl Symbols {
    /// Opens a PDB.
    ///
    /// # Errors
    /// If it cannot be read, or is none.
    pub fn open(path: &Path) -> Result<Self, CodeError> {
        let failed = |detail: String| CodeError::Symbols {
            path: path.to_owned(),
            detail,
        };
        let file = File::open(path).map_err(|error| failed(error.to_string()))?;
        let pdb = PDB::open(file).map_err(|error| failed(error.to_string()))?;
        let data = ContextPdbData::try_from_pdb(pdb).map_err(|error| failed(error.to_string()))?;
        Ok(Self {
            path: path.to_owned(),
            data,
        })
    }

    /// Every function.
    pub(super) fn functions(&self) -> Result<Vec<Known>, CodeError> {
        let context = self.context()?;
        let functions = context.functions().map(|function| {
            // Public symbols have no length.
            let end = function.end_rva.filter(|end| *end > function.start_rva);
            Known {
                start: function.start_rva,
                end,
                name: function.name,
            }
        });
        Ok(functions.collect())
    }

    /// The places in the source that an instruction belongs to: innermost first, each inlined into the next.
    pub(super) fn places<'address>(
        &self,
        addresses: impl Iterator<Item = &'address u32>,
    ) -> Result<Vec<Vec<Place>>, CodeError> {
        let context = self.context()?;
        let place = |address: &u32| {
            let found = context.find_frames(*address).ok().flatten();
            let frames = found.map(|found| found.frames).unwrap_or_default();
            let places = frames.into_iter().map(|frame| Place {
                function: frame.function.unwrap_or_default(),
                file: frame.file.map(Cow::into_owned).unwrap_or_default(),
                line: frame.line,
            });
            places.collect()
        };
        Ok(addresses.map(place).collect())
    }

    fn context(&self) -> Result<Context<'_, 'static>, CodeError> {
        let flags = TypeFormatterFlags::default() | TypeFormatterFlags::NO_ARGUMENTS;
        self.data
            .make_context_with_formatter_flags(flags)
            .map_err(|error| CodeError::Symbols {
                path: self.path.clone(),
                detail: error.to_string(),
            })
    }
}
