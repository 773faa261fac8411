//! `drvpkg package`.

use std::path::PathBuf;

use clap::Args;
use drvpkg::{
    civil::{Date, DriverVersion},
    package::{self, Request},
};

use super::{Answer, Outcome, print_json};

#[derive(Debug, Args)]
#[command(
    after_help = "The package is written beside --out and moved there when it is complete. The file name of \
                        --inx without its extension names the INF, the catalog and the certificate; the driver \
                        takes its name from the INF's [SourceDisksFiles]. SOURCE_DATE_EPOCH fixes the date."
)]
pub(crate) struct Package {
    /// The driver that the linker wrote
    #[arg(long, value_name = "FILE")]
    sys: PathBuf,
    /// Its symbols
    #[arg(long, value_name = "FILE")]
    pdb: Option<PathBuf>,
    /// The INF to be stamped
    #[arg(long, value_name = "FILE")]
    inx: PathBuf,
    /// The directory to write; an older package there is replaced, anything else is not
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// DriverVer's version, w.x.y.z [default: the driver's VERSIONINFO]
    #[arg(long, value_name = "VERSION")]
    version: Option<DriverVersion>,
    /// DriverVer's date, mm/dd/yyyy or yyyy-mm-dd [default: today, UTC]
    #[arg(long, value_name = "DATE")]
    date: Option<Date>,
    /// A directory whose scripts for PowerShell and WinDbg go into the package; may be given several times
    #[arg(long, value_name = "DIR")]
    scripts: Vec<PathBuf>,
    /// Where the test-signing key and certificate are kept; made there on first use
    #[arg(long, value_name = "DIR", default_value = "target/signing")]
    certificate_dir: PathBuf,
    /// Print the manifest as JSON
    #[arg(long)]
    json: bool,
}

impl Package {
    pub(super) fn run(&self) -> Answer {
        let manifest = package::make(&Request {
            sys: &self.sys,
            pdb: self.pdb.as_deref(),
            inx: &self.inx,
            out: &self.out,
            certificates: &self.certificate_dir,
            version: self.version,
            date: self.date,
            scripts: &self.scripts,
        })?;
        if self.json {
            print_json(&manifest)?;
        } else {
            println!(
                "{} {} ({}, {}) in {}",
                manifest.name,
                manifest.version,
                manifest.flavour,
                manifest.date,
                self.out.display()
            );
            for file in &manifest.files {
                println!(
                    "  {:<16} {:>9} bytes  sha256 {}",
                    file.name, file.bytes, file.sha256
                );
            }
        }
        Ok(Outcome::Done)
    }
}
