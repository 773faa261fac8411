//! `drvpkg inspect`.

use std::path::PathBuf;

use clap::Args;
use drvpkg::pe::inspect::{Gate, InspectError, Inspection};
use serde::Serialize;

use super::{Answer, Outcome, print_json, read};

#[derive(Debug, Args)]
#[command(
    after_help = "Gates: x64, native subsystem, DYNAMIC_BASE, NX_COMPAT, HIGH_ENTROPY_VA, no section both \
                        writable and executable, checksum right, VERSIONINFO present; with --allow also that \
                        nothing is imported from another module. Exit code 1 when one does not hold."
)]
pub(crate) struct Inspect {
    /// The driver image
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The modules it may import from, such as storport.sys,ntoskrnl.exe
    #[arg(long, value_name = "MODULE,...", value_delimiter = ',')]
    allow: Option<Vec<String>>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// An image could not be inspected.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
struct Failed {
    path: String,
    source: InspectError,
}

#[derive(Serialize)]
struct Report<'inspection> {
    ok: bool,
    gates: &'inspection [Gate],
    image: &'inspection Inspection,
}

impl Inspect {
    pub(super) fn run(&self) -> Answer {
        let bytes = read(&self.file)?;
        let image = Inspection::of(&bytes).map_err(|source| Failed {
            path: self.file.display().to_string(),
            source,
        })?;
        let mut gates = image.gates();
        if let Some(allowed) = &self.allow {
            gates.push(image.import_gate(allowed));
        }
        let ok = gates.iter().all(|gate| gate.ok);
        if self.json {
            print_json(&Report {
                ok,
                gates: &gates,
                image: &image,
            })?;
        } else {
            for (module, functions) in &image.imports {
                println!("imports from {module}");
                for function in functions {
                    println!("  {function}");
                }
            }
            for gate in &gates {
                println!(
                    "{:<7} {:<16} {}",
                    if gate.ok { "ok" } else { "REFUSED" },
                    gate.name,
                    gate.detail
                );
            }
        }
        Ok(if ok { Outcome::Done } else { Outcome::Refused })
    }
}
