//! `drvpkg inf`.

use std::{fs, path::PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use drvpkg::{
    civil::{Date, DriverVersion, now},
    inf::{self, query::Architecture},
};

use super::{Answer, FileError, Outcome, read};

#[derive(Debug, Subcommand)]
pub(crate) enum Inf {
    /// Write DriverVer, CatalogFile and $ARCH$ into an .inx, as stampinf does.
    Stamp(Stamp),
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ArchitectureName {
    /// x64
    Amd64,
    /// Arm64
    Arm64,
}

#[derive(Debug, Args)]
pub(crate) struct Stamp {
    /// The .inx or .inf to read
    #[arg(value_name = "INX")]
    inx: PathBuf,
    /// The .inf to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// DriverVer's version, w.x.y.z
    #[arg(long, value_name = "VERSION")]
    version: DriverVersion,
    /// DriverVer's date, mm/dd/yyyy or yyyy-mm-dd [default: today, UTC]
    #[arg(long, value_name = "DATE")]
    date: Option<Date>,
    /// `CatalogFile` [default: the name of --out with .cat]
    #[arg(long, value_name = "NAME")]
    catalog: Option<String>,
    /// What $ARCH$ stands for
    #[arg(long, value_enum, default_value_t = ArchitectureName::Amd64)]
    architecture: ArchitectureName,
}

/// An INF could not be stamped.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
struct StampError {
    path: String,
    source: Box<dyn std::error::Error>,
}

impl Inf {
    pub(super) fn run(&self) -> Answer {
        let Self::Stamp(verb) = self;
        verb.run()
    }
}

impl Stamp {
    fn run(&self) -> Answer {
        let failed = |source: Box<dyn std::error::Error>| StampError {
            path: self.inx.display().to_string(),
            source,
        };
        let mut document = inf::Inf::read(&read(&self.inx)?).map_err(|error| failed(error.into()))?;
        let catalog = self.catalog.clone().unwrap_or_else(|| {
            let name = self.out.with_extension("cat");
            name.file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default()
        });
        let stamp = inf::Stamp {
            architecture: match self.architecture {
                ArchitectureName::Amd64 => Architecture::Amd64,
                ArchitectureName::Arm64 => Architecture::Arm64,
            },
            date: match self.date {
                Some(date) => date,
                None => now()?.into(),
            },
            version: self.version,
            catalog,
        };
        stamp.apply(&mut document).map_err(|error| failed(error.into()))?;
        fs::write(&self.out, document.to_bytes())
            .map_err(|error| FileError::Write(self.out.clone(), error))?;
        println!(
            "{}: DriverVer {},{}",
            self.out.display(),
            stamp.date,
            stamp.version
        );
        Ok(Outcome::Done)
    }
}
