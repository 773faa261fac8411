//! What a driver's build script calls.

use std::{env, fs, io, num::ParseIntError, path::PathBuf};

use thiserror::Error;

use crate::{Error, Message, MessageError, Version, VersionInfo, messages_to_res_file, to_res_file};

/// Why a resource could not be linked into a driver.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LinkError {
    /// A variable that Cargo sets for build scripts is missing.
    #[error("{0} is not set: this function belongs into a Cargo build script")]
    NotInBuildScript(&'static str),
    /// A part of the package's version does not fit 16 bits.
    #[error("version {version:?}: each part must be at most 65535")]
    Version {
        /// The package's version.
        version: String,
        /// Which digits were wrong.
        source: ParseIntError,
    },
    /// The resource cannot be made.
    #[error(transparent)]
    Resource(#[from] Error),
    /// The message table cannot be made.
    #[error(transparent)]
    Messages(#[from] MessageError),
    /// The file could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The resource file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What Cargo does not know about a driver.
#[derive(Debug, Clone, Copy)]
pub struct Driver<'a> {
    /// Name under which the driver is installed, with its extension.
    pub file_name: &'a str,
    /// `CompanyName`: who provides the driver.
    pub company: &'a str,
    /// `ProductName`: what the driver belongs to.
    pub product: &'a str,
    /// `LegalCopyright`.
    pub copyright: &'a str,
    /// Built with debugging aids.
    pub debug: bool,
}

/// Writes a version resource for the package being built and makes the linker put it into the driver.
///
/// Version and description are the package's; the version's fourth part is zero.
///
/// # Errors
///
/// [`LinkError`]; outside a build script always.
pub fn link_into_driver(driver: &Driver<'_>) -> Result<(), LinkError> {
    let version = package_version()?;
    let strings = [
        ("CompanyName", driver.company),
        ("FileDescription", &cargo_variable("CARGO_PKG_DESCRIPTION")?),
        ("FileVersion", &version.dotted()),
        ("InternalName", &cargo_variable("CARGO_PKG_NAME")?),
        ("LegalCopyright", driver.copyright),
        ("OriginalFilename", driver.file_name),
        ("ProductName", driver.product),
        ("ProductVersion", &version.dotted()),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()));
    let file = to_res_file(&VersionInfo {
        version,
        debug: driver.debug,
        strings: strings.into(),
    })?;

    link("version.res", &file)
}

/// Writes a message table and makes the linker put it into the driver. The INF names the driver as `EventMessageFile`.
///
/// # Errors
///
/// [`LinkError`]; outside a build script always.
pub fn link_messages(messages: &[Message]) -> Result<(), LinkError> {
    link("messages.res", &messages_to_res_file(messages)?)
}

fn link(name: &str, file: &[u8]) -> Result<(), LinkError> {
    let path = PathBuf::from(cargo_variable("OUT_DIR")?).join(name);
    fs::write(&path, file).map_err(|source| LinkError::Write {
        path: path.clone(),
        source,
    })?;
    println!("cargo::rustc-cdylib-link-arg={}", path.display());
    Ok(())
}

fn package_version() -> Result<Version, LinkError> {
    let part = |name| {
        let digits = cargo_variable(name)?;
        digits.parse().map_err(|source| LinkError::Version {
            version: cargo_variable("CARGO_PKG_VERSION").unwrap_or(digits),
            source,
        })
    };
    Ok(Version([
        part("CARGO_PKG_VERSION_MAJOR")?,
        part("CARGO_PKG_VERSION_MINOR")?,
        part("CARGO_PKG_VERSION_PATCH")?,
        0,
    ]))
}

fn cargo_variable(name: &'static str) -> Result<String, LinkError> {
    env::var(name).map_err(|_| LinkError::NotInBuildScript(name))
}
