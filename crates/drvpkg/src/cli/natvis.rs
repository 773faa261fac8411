//! `drvpkg natvis`.

use std::{fs, path::PathBuf};

use clap::Args;
use drvpkg::pdb::{
    PdbError, Symbols,
    natvis::{Findings, NatvisError},
};
use serde::Serialize;

use super::{Answer, FileError, Outcome, print_json};

#[derive(Debug, Args)]
#[command(after_help = "Exit code 1 when the PDB has no natvis, or one names what its types do not have.")]
pub(crate) struct Natvis {
    /// The PDB
    #[arg(value_name = "PDB")]
    pdb: PathBuf,
    /// Check these files instead of those inside
    #[arg(long, value_name = "NATVIS")]
    file: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The natvis of a PDB could not be checked.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{0}: {1}")]
    Pdb(String, PdbError),
    #[error("{0}: {1}")]
    Natvis(String, NatvisError),
}

#[derive(Serialize)]
struct Report<'findings> {
    /// Natvis files inside the PDB, by the names of their streams.
    natvis_in_pdb: Vec<String>,
    types_matched: usize,
    paths_checked: usize,
    paths_missing: usize,
    missing: &'findings [drvpkg::pdb::natvis::Missing],
}

impl Natvis {
    pub(super) fn run(&self) -> Answer {
        let failed = |error| Failed::Pdb(self.pdb.display().to_string(), error);
        let mut symbols = Symbols::open(&self.pdb).map_err(failed)?;
        let types = symbols.types().map_err(failed)?;
        let embedded = symbols.natvis().map_err(failed)?;
        let natvis_in_pdb = embedded.iter().map(|file| file.name.clone()).collect();
        let mut files: Vec<(String, String)> =
            embedded.into_iter().map(|file| (file.name, file.text)).collect();
        if !self.file.is_empty() {
            files.clear();
            for path in &self.file {
                let text = fs::read_to_string(path).map_err(|error| FileError::Read(path.clone(), error))?;
                files.push((path.display().to_string(), text));
            }
        }
        let mut findings = Findings::default();
        for (name, text) in &files {
            findings
                .check(&types, name, text)
                .map_err(|error| Failed::Natvis(name.clone(), error))?;
        }
        let report = Report {
            natvis_in_pdb,
            types_matched: findings.types_matched,
            paths_checked: findings.paths_checked,
            paths_missing: findings.missing.len(),
            missing: &findings.missing,
        };
        let ok =
            !report.natvis_in_pdb.is_empty() && findings.paths_checked > 0 && findings.missing.is_empty();
        if self.json {
            print_json(&report)?;
        } else {
            for name in &report.natvis_in_pdb {
                println!("natvis in the PDB: {name}");
            }
            for missing in report.missing {
                println!(
                    "{}: {}: `{}`: {}",
                    missing.file, missing.of, missing.expression, missing.reason
                );
            }
            println!(
                "{}: {} natvis files inside, {} type names, {} member paths checked, {} do not fit",
                self.pdb.display(),
                report.natvis_in_pdb.len(),
                report.types_matched,
                report.paths_checked,
                report.paths_missing
            );
        }
        Ok(if ok { Outcome::Done } else { Outcome::Refused })
    }
}
