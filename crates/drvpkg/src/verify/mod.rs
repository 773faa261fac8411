//! Verification of a finished package.
//!
//! Three judges: this crate's own reading, osslsigncode, and signify. The two others are independent
//! implementations; each is also shown tampered copies, so that a judge that accepts everything is found out.

mod osslsigncode;
mod own;
pub mod signify;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::manifest::{Manifest, ManifestError, PackagedFile, Role};

/// Why a package could not be verified at all.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It is no package.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A file of it cannot be read.
    #[error("cannot read {path}: {source}; make the package again with `./x package`")]
    Missing {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The manifest lists no file of a kind that every package has.
    #[error("{package} lists no {role:?} file; make the package again with `./x package`")]
    NoFile {
        /// The package.
        package: PathBuf,
        /// What is missing.
        role: Role,
    },
    /// There is no room for tampered copies.
    #[error("cannot write temporary files: {0}")]
    Temporary(#[source] io::Error),
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It holds.
    Ok,
    /// It does not.
    Failed,
    /// The judge is not installed.
    ToolMissing,
}

/// What a check is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The package as a whole: manifest, INF, certificate.
    Package,
    /// The driver's embedded signature.
    Signature,
    /// The catalog.
    Catalog,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Who judged.
    pub judge: &'static str,
    /// What it is about.
    pub subject: Subject,
    /// What was checked.
    pub name: &'static str,
    /// How it ended.
    pub standing: Standing,
    /// What was found, or what to do.
    pub detail: String,
}

impl Check {
    fn new(judge: &'static str, subject: Subject, name: &'static str, found: Result<String, String>) -> Self {
        let (standing, detail) = match found {
            Ok(detail) => (Standing::Ok, detail),
            Err(detail) => (Standing::Failed, detail),
        };
        Self {
            judge,
            subject,
            name,
            standing,
            detail,
        }
    }

    fn missing(judge: &'static str, subject: Subject, remedy: &str) -> Self {
        let detail = remedy.to_owned();
        Self {
            judge,
            subject,
            name: "available",
            standing: Standing::ToolMissing,
            detail,
        }
    }
}

/// All checks of a package.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The package.
    pub package: PathBuf,
    /// Its name.
    pub name: String,
    /// SHA-256 of the packaged driver.
    pub driver_sha256: String,
    /// Whether everything held.
    pub ok: bool,
    /// Whether every check of the embedded signature held, by every judge.
    pub signature_ok: bool,
    /// Whether every check of the catalog held, by every judge.
    pub catalog_ok: bool,
    /// The checks.
    pub checks: Vec<Check>,
}

/// Where the external judges are.
#[derive(Clone, Copy, Debug)]
pub struct Judges<'path> {
    /// signify's Python environment.
    pub venv: &'path Path,
}

/// signify's environment when none is named: `judge-venv` beside the package.
#[must_use]
pub fn default_venv(package: &Path) -> PathBuf {
    package.parent().unwrap_or(Path::new("")).join("judge-venv")
}

/// The files that judges look at.
struct Files {
    sys: Vec<u8>,
    inf: Vec<u8>,
    catalog: Vec<u8>,
    certificate: Vec<u8>,
    names: Names,
}

struct Names {
    sys: String,
    inf: String,
    catalog: String,
}

/// Verifies a package.
///
/// # Errors
/// [`VerifyError`] when there is nothing to verify; what does not hold is in the report.
pub fn verify(package: &Path, judges: &Judges<'_>) -> Result<Report, VerifyError> {
    let manifest = Manifest::read(package)?;
    let files = Files::read(package, &manifest)?;
    let mut checks = own::checks(package, &manifest, &files);
    checks.extend(osslsigncode::checks(&files)?);
    checks.extend(signify::checks(&files, judges.venv)?);
    let holds = |subject: Option<Subject>| {
        checks
            .iter()
            .filter(|check| subject.is_none_or(|subject| check.subject == subject))
            .all(|check| check.standing == Standing::Ok)
    };
    Ok(Report {
        package: package.to_owned(),
        driver_sha256: crate::hex::sha256(&files.sys),
        name: manifest.name,
        ok: holds(None),
        signature_ok: holds(Some(Subject::Signature)),
        catalog_ok: holds(Some(Subject::Catalog)),
        checks,
    })
}

impl Files {
    fn read(package: &Path, manifest: &Manifest) -> Result<Self, VerifyError> {
        let find = |role| {
            manifest.file(role).ok_or_else(|| VerifyError::NoFile {
                package: package.to_owned(),
                role,
            })
        };
        let (sys, inf, catalog) = (find(Role::Driver)?, find(Role::Inf)?, find(Role::Catalog)?);
        Ok(Self {
            sys: bytes(package, sys)?,
            inf: bytes(package, inf)?,
            catalog: bytes(package, catalog)?,
            certificate: bytes(package, find(Role::Certificate)?)?,
            names: Names {
                sys: sys.name.clone(),
                inf: inf.name.clone(),
                catalog: catalog.name.clone(),
            },
        })
    }
}

fn bytes(package: &Path, file: &PackagedFile) -> Result<Vec<u8>, VerifyError> {
    let path = package.join(&file.name);
    fs::read(&path).map_err(|source| VerifyError::Missing { path, source })
}

/// A copy with one byte changed in the middle of what the signature covers.
fn tampered_image(sys: &[u8]) -> Vec<u8> {
    let end = crate::pe::Layout::parse(sys).map_or(sys.len(), |layout| layout.certificate_table.start);
    tampered(sys, end / 2)
}

/// A copy with one byte changed in the first member's hash, or in the middle if that is not to be found.
fn tampered_catalog(catalog: &[u8]) -> Vec<u8> {
    let hash = crate::catalog::Catalog::read(catalog).ok().and_then(|content| {
        content
            .members
            .first()
            .map(|member| member.hash.as_bytes().to_vec())
    });
    let at = hash.and_then(|hash| catalog.windows(hash.len()).position(|window| window == hash));
    tampered(catalog, at.unwrap_or(catalog.len() / 2))
}

fn tampered(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut copy = bytes.to_vec();
    if let Some(byte) = copy.get_mut(at) {
        *byte ^= 0x01;
    }
    copy
}
