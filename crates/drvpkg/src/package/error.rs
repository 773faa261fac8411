//! Why a package was not made.

use std::{io, path::PathBuf};

use crate::{
    authenticode::AuthenticodeError,
    catalog::CatalogError,
    certificate::CertificateError,
    civil::CivilError,
    inf::{InfError, text::TextError},
    pe::inspect::InspectError,
};

/// Why a package was not made. Nothing is left behind then, and an older package stays.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// An input cannot be read.
    #[error("cannot read {path}: {source}; build the driver first (`./x build`) or correct the path")]
    Input {
        /// The input.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The output cannot be written.
    #[error("cannot write {path}: {source}")]
    Output {
        /// What was being written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The output directory holds something else.
    #[error("{0} exists and is no package (it has no package.json); give another --out or remove it")]
    NotAPackage(PathBuf),
    /// A path without a usable file name.
    #[error("{0} has no usable file name; give the path of a file")]
    Name(PathBuf),
    /// The INF is not text.
    #[error("{path}: {source}")]
    Text {
        /// The INF.
        path: PathBuf,
        /// What is wrong.
        source: TextError,
    },
    /// The INF lacks something.
    #[error("{path}: {source}")]
    Inf {
        /// The INF.
        path: PathBuf,
        /// What is wrong.
        source: InfError,
    },
    /// Windows would not take the INF.
    #[error("{path} breaks rules (`drvpkg inf rules` lists them):\n  {findings}")]
    Rules {
        /// The INF.
        path: PathBuf,
        /// What is wrong, a line each.
        findings: String,
    },
    /// The INF lists files that are not given.
    #[error("{path}: [SourceDisksFiles] must list exactly the driver, it lists {files}")]
    SourceFiles {
        /// The INF.
        path: PathBuf,
        /// What it lists.
        files: String,
    },
    /// The driver is not one.
    #[error("{path}: {source}")]
    Inspect {
        /// The driver.
        path: PathBuf,
        /// What is wrong.
        source: InspectError,
    },
    /// The driver is built for something else than what the INF matches.
    #[error("{path} is not an x64 kernel-mode image ({detail}); give the driver that the cross build wrote")]
    NotADriver {
        /// The driver.
        path: PathBuf,
        /// What it is.
        detail: String,
    },
    /// There is no version to write.
    #[error("{0} has no VERSIONINFO to take the version from; give --version w.x.y.z")]
    NoVersion(PathBuf),
    /// A date is unusable.
    #[error(transparent)]
    Civil(#[from] CivilError),
    /// There is no certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The driver cannot be signed.
    #[error("{path}: {source}")]
    Sign {
        /// The driver.
        path: PathBuf,
        /// What is wrong.
        source: AuthenticodeError,
    },
    /// The catalog cannot be made.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The certificate cannot be encoded.
    #[error("cannot encode the certificate: {0}")]
    Der(#[from] der::Error),
    /// The manifest cannot be encoded.
    #[error("cannot write the manifest: {0}")]
    Json(#[from] serde_json::Error),
}
