//! What a debugger gets from a PDB: the types' layouts, the variables, the embedded natvis.
//!
//! | module | idea |
//! | --- | --- |
//! | [`types`] | records with their members, from the PDB's type stream |
//! | [`expression`] | the C++ expressions of natvis, resolved member by member |
//! | [`natvis`] | the natvis files inside, each expression against each type it is for |

pub mod expression;
pub mod natvis;
pub mod types;

use std::{collections::BTreeMap, fs::File, path::Path};

use pdb_addr2line::pdb::{self, FallibleIterator, PDB, SymbolData};
use thiserror::Error;

pub use types::Types;

/// Where rust-lld and link.exe put the content of an embedded natvis file: a stream of this name and the file's.
const EMBEDDED: &str = "/src/files/";

/// Why a PDB says nothing.
#[derive(Debug, Error)]
pub enum PdbError {
    /// It cannot be read.
    #[error("cannot read the PDB: {0}")]
    Io(#[from] std::io::Error),
    /// It is none, or damaged.
    #[error("cannot understand the PDB: {0}")]
    Format(#[from] pdb::Error),
}

/// A PDB that is open.
pub struct Symbols(PDB<'static, File>);

/// A natvis file inside a PDB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Embedded {
    /// Name of its stream, behind `/src/files/`.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl Symbols {
    /// Opens a PDB.
    ///
    /// # Errors
    /// If it cannot be read, or is none.
    pub fn open(path: &Path) -> Result<Self, PdbError> {
        Ok(Self(PDB::open(File::open(path)?)?))
    }

    /// Its types.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn types(&mut self) -> Result<Types, PdbError> {
        Ok(Types::read(&self.0.type_information()?)?)
    }

    /// The natvis files inside.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn natvis(&mut self) -> Result<Vec<Embedded>, PdbError> {
        let information = self.0.pdb_information()?;
        let names = information.stream_names()?;
        let mut found = Vec::new();
        for stream in &names {
            let name = stream.name.to_string();
            let Some(name) = name.strip_prefix(EMBEDDED) else {
                continue;
            };
            if !name.to_ascii_lowercase().ends_with(".natvis") {
                continue;
            }
            let content = self.0.raw_stream(stream.stream_id)?;
            let text = content.map(|content| String::from_utf8_lossy(content.as_slice()).into_owned());
            found.push(Embedded {
                name: name.to_owned(),
                text: text.unwrap_or_default(),
            });
        }
        Ok(found)
    }

    /// Where each variable lies, from the image's base.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn variables(&mut self) -> Result<BTreeMap<String, u32>, PdbError> {
        let addresses = self.0.address_map()?;
        let mut found = BTreeMap::new();
        let mut take = |symbol: &pdb::Symbol<'_>| {
            if let Ok(SymbolData::Data(data)) = symbol.parse()
                && let Some(address) = data.offset.to_rva(&addresses)
            {
                found.insert(data.name.to_string().into_owned(), address.0);
            }
        };
        let globals = self.0.global_symbols()?;
        let mut symbols = globals.iter();
        while let Some(symbol) = symbols.next()? {
            take(&symbol);
        }
        let information = self.0.debug_information()?;
        let mut modules = information.modules()?;
        while let Some(module) = modules.next()? {
            if let Some(module) = self.0.module_info(&module)? {
                let mut symbols = module.symbols()?;
                while let Some(symbol) = symbols.next()? {
                    take(&symbol);
                }
            }
        }
        Ok(found)
    }
}
