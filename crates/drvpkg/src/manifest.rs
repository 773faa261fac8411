//! `package.json`: what a package holds and what it was made from.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::civil::DriverVersion;

/// The manifest's file name.
pub const FILE: &str = "package.json";
/// The format that this crate writes and reads.
pub const FORMAT: u32 = 1;

/// Why a manifest could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// There is none.
    #[error("{0} holds no package.json: it is no package; make one with `./x package`")]
    Missing(PathBuf),
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The manifest.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not a manifest.
    #[error("{path} is not a package manifest ({source}); make the package again with `./x package`")]
    Json {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// It is of another version of this tool.
    #[error(
        "{path} has format {found}, this drvpkg knows {FORMAT}; make the package again with `./x package`"
    )]
    Format {
        /// The manifest.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// It names something outside the package.
    #[error("{path} names the file '{name}', which is no plain file name; make the package again")]
    Name {
        /// The manifest.
        path: PathBuf,
        /// The name.
        name: String,
    },
}

/// Which of the two drivers a package holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flavour {
    /// With checks and a bug check on a panic.
    Dev,
    /// Imports storport.sys only; no panic is reachable.
    Release,
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dev => "dev",
            Self::Release => "release",
        })
    }
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The signed driver.
    Driver,
    /// Its symbols.
    Symbols,
    /// The stamped INF.
    Inf,
    /// The signed catalog.
    Catalog,
    /// The test-signing certificate.
    Certificate,
    /// Instructions.
    Readme,
    /// A script that does one of its steps.
    Script,
}

/// One file of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackagedFile {
    /// What it is for.
    pub role: Role,
    /// Its name in the package.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its bytes.
    pub sha256: String,
}

/// SHA-256 of what a package was made from, to tell a stale package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// The driver before signing.
    pub sys_sha256: String,
    /// The INF before stamping.
    pub inx_sha256: String,
}

/// The manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this format.
    pub format: u32,
    /// The package's name: the INF's file name without extension.
    pub name: String,
    /// Which driver it holds.
    pub flavour: Flavour,
    /// `DriverVer`'s version.
    pub version: DriverVersion,
    /// `DriverVer`'s date, mm/dd/yyyy.
    pub date: String,
    /// What it was made from.
    pub inputs: Inputs,
    /// The hardware ids that the INF matches.
    pub hardware_ids: Vec<String>,
    /// The signing certificate's SHA-1 thumbprint, by which `certutil` names it.
    pub certificate_thumbprint: String,
    /// Its files.
    pub files: Vec<PackagedFile>,
}

impl Manifest {
    /// Reads a package's manifest.
    ///
    /// # Errors
    /// [`ManifestError`] when there is none or it is unusable.
    pub fn read(package: &Path) -> Result<Self, ManifestError> {
        let path = package.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ManifestError::Missing(package.to_owned()));
            }
            Err(source) => return Err(ManifestError::Io { path, source }),
        };
        let manifest: Self = match serde_json::from_str(&text) {
            Ok(manifest) => manifest,
            Err(source) => return Err(ManifestError::Json { path, source }),
        };
        if manifest.format != FORMAT {
            return Err(ManifestError::Format {
                path,
                found: manifest.format,
            });
        }
        if let Some(file) = manifest.files.iter().find(|file| !is_plain(&file.name)) {
            return Err(ManifestError::Name {
                path,
                name: file.name.clone(),
            });
        }
        Ok(manifest)
    }

    /// The manifest as it is written.
    ///
    /// # Errors
    /// [`serde_json::Error`], which this structure does not cause.
    pub fn to_json(&self) -> serde_json::Result<String> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(text)
    }

    /// The file with a role.
    #[must_use]
    pub fn file(&self, role: Role) -> Option<&PackagedFile> {
        self.files.iter().find(|file| file.role == role)
    }
}

/// Whether a name is a file's in the same directory, on Linux and on Windows.
#[must_use]
pub fn is_plain(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', ':', '\0'])
}
