//! `drvpkg layout`.

use std::{collections::BTreeMap, path::PathBuf};

use clap::Args;
use drvpkg::pdb::{PdbError, Symbols, types::Record};
use serde::Serialize;

use super::{Answer, Outcome, print_json};

#[derive(Debug, Args)]
#[command(after_help = "Prints JSON. A type that is not there makes exit code 1.")]
pub(crate) struct Layout {
    /// The PDB
    #[arg(value_name = "PDB")]
    pdb: PathBuf,
    /// The types, with `*` for anything; what they contain comes with them
    #[arg(value_name = "TYPE", required = true)]
    types: Vec<String>,
}

/// A PDB could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}: {1}")]
struct Failed(String, PdbError);

#[derive(Serialize)]
struct Report<'types> {
    types: Vec<&'types Record>,
    /// From the image's base.
    variables: BTreeMap<String, u32>,
}

impl Layout {
    pub(super) fn run(&self) -> Answer {
        let failed = |error| Failed(self.pdb.display().to_string(), error);
        let mut symbols = Symbols::open(&self.pdb).map_err(failed)?;
        let types = symbols.types().map_err(failed)?;
        let mut names = Vec::new();
        let mut outcome = Outcome::Done;
        for pattern in &self.types {
            let found = types.matching(pattern);
            if found.is_empty() {
                eprintln!("drvpkg: {} has no type {pattern}", self.pdb.display());
                outcome = Outcome::Refused;
            }
            names.extend(found.iter().map(|record| record.name.as_str()));
        }
        print_json(&Report {
            types: types.with_contents(names),
            variables: symbols.variables().map_err(failed)?,
        })?;
        Ok(outcome)
    }
}
