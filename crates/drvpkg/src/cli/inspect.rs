//! `drvpkg inspect`.

use std::path::PathBuf;

use clap::Args;
use drvpkg::{
    code::{self, Code, CodeError, Symbols},
    pe::inspect::{Gate, InspectError, Inspection, PORT_DRIVER},
};
use serde::Serialize;

use super::{Answer, Outcome, print_json, read};

#[derive(Debug, Args)]
#[command(
    after_help = "Gates: x64, native subsystem, DYNAMIC_BASE, NX_COMPAT, HIGH_ENTROPY_VA, no section both \
                        writable and executable, checksum right, VERSIONINFO present; with --allow also that \
                        nothing is imported from another module; with --release also that no stack frame is \
                        above --max-frame, that nothing is left of panics, and that memcpy and its kin do not \
                        call themselves. Exit code 1 when one does not hold."
)]
pub(crate) struct Inspect {
    /// The driver image
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The modules it may import from, such as storport.sys,ntoskrnl.exe
    #[arg(long, value_name = "MODULE,...", value_delimiter = ',')]
    allow: Option<Vec<String>>,
    /// Check as a miniport's release flavour: imports from storport.sys only, and the gates on its code
    #[arg(long, requires = "pdb", conflicts_with = "allow")]
    release: bool,
    /// Its symbols, which name its functions
    #[arg(long, value_name = "FILE")]
    pdb: Option<PathBuf>,
    /// Bytes of stack that a function may take
    #[arg(long, value_name = "BYTES", default_value_t = 4096)]
    max_frame: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// An image could not be inspected.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{0}: {1}")]
    Image(String, InspectError),
    #[error("{0}: {1}")]
    Code(String, CodeError),
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
        let image = Inspection::of(&bytes).map_err(|source| Failed::Image(self.name(), source))?;
        let mut gates = image.gates();
        if let Some(allowed) = &self.allow {
            gates.push(image.import_gate(allowed));
        }
        if self.release {
            gates.push(image.import_gate(&[PORT_DRIVER.to_owned()]));
            let symbols = self.pdb.as_deref().map(Symbols::open).transpose()?;
            let code =
                Code::of(&bytes, symbols.as_ref()).map_err(|source| Failed::Code(self.name(), source))?;
            gates.extend(code::gates(&code, self.max_frame));
        }
        let ok = gates.iter().all(|gate| gate.ok);
        if self.json {
            print_json(&Report {
                ok,
                gates: &gates,
                image: &image,
            })?;
        } else {
            println!(
                "{}: {} flavour, {} bytes",
                self.name(),
                image.flavour(),
                bytes.len()
            );
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

    fn name(&self) -> String {
        self.file.display().to_string()
    }
}
