//! What can go wrong while a build is configured.

use std::{io, path::PathBuf};

use thiserror::Error;

/// A file operation that failed, with the path it was about.
#[derive(Debug, Error)]
#[error("{}", path.display())]
pub struct IoError {
    path: PathBuf,
    source: io::Error,
}

impl IoError {
    /// Says which path an I/O error is about.
    pub fn with_path(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self {
            path: path.into(),
            source,
        }
    }
}

/// Why a build cannot be configured.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file operation failed.
    #[error(transparent)]
    Io(#[from] IoError),

    /// A folder of headers does not exist.
    #[error("no folder of headers at {}: {remedy}", directory.display())]
    DirectoryNotFound {
        /// The missing folder.
        directory: PathBuf,
        /// What to do about it.
        remedy: &'static str,
    },

    /// Cargo could not describe the workspace.
    #[error("cannot read the metadata of {}", manifest.display())]
    Metadata {
        /// The manifest that was asked about.
        manifest: PathBuf,
        /// Cargo's answer.
        source: cargo_metadata::Error,
    },

    /// No package has a `metadata.wdk` table.
    #[error("no [package.metadata.wdk.driver-model] found")]
    NoWdkConfiguration,

    /// Packages of one workspace name different driver models.
    #[error("packages of one workspace name different driver models: {}", .0.join(", "))]
    ContradictoryDriverModels(Vec<String>),

    /// A driver model that only Windows hosts can build.
    #[error("driver model {0:?} cannot be built on this host: only \"WDM\" can")]
    UnsupportedDriverModel(String),

    /// A target that is not supported on this host.
    #[error(
        "target {architecture}-{os}-{environment} cannot be built on this host: only x86_64-pc-windows-msvc can"
    )]
    UnsupportedTarget {
        /// `CARGO_CFG_TARGET_ARCH`.
        architecture: String,
        /// `CARGO_CFG_TARGET_OS`.
        os: String,
        /// `CARGO_CFG_TARGET_ENV`.
        environment: String,
    },

    /// The C run time would be linked dynamically.
    #[error("the C run time must be linked statically: pass `-C target-feature=+crt-static` to rustc")]
    StaticCrtNotEnabled,

    /// A variable that Cargo sets for build scripts is missing.
    #[error("{variable} is not set: this function belongs into a Cargo build script")]
    NotInBuildScript {
        /// The missing variable.
        variable: &'static str,
    },

    /// A tool could not be started or failed.
    #[error("{tool} failed: {reason}")]
    Tool {
        /// The program.
        tool: PathBuf,
        /// Its error output, or why it did not start.
        reason: String,
    },

    /// bindgen does not know the Rust version that wdk-sys promises to support.
    #[error("bindgen does not support Rust {version}: {reason}")]
    RustVersionNotSupportedByBindgen {
        /// The Rust version.
        version: &'static str,
        /// bindgen's reason.
        reason: String,
    },
}
