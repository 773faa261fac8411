//! What a miniport's build script does, in one call.
//!
//! ```ignore
//! fn main() -> Result<(), miniport_build::Error> {
//!     miniport_build::configure(&miniport_build::Driver {
//!         file_name: "my.sys",
//!         company: "My company",
//!         product: "My adapter",
//!         copyright: "MIT",
//!         debug: std::env::var_os("CARGO_FEATURE_DEV").is_some(),
//!     })
//! }
//! ```
//!
//! On Windows Microsoft's `wdk-build` does the main part, elsewhere its stand-in (docs/adr/0002).

use thiserror::Error;
pub use version_resource::{Driver, Message};

/// What drivers of today have and wdk-build leaves out; spelt as both LLVM's linker and Microsoft's
/// understand it.
const LINK_ARGUMENTS: [&str; 3] = [
    // Sets the checksum, which the loader verifies for boot drivers.
    "/RELEASE",
    "/HIGHENTROPYVA",
    // Time stamps are hashes of the content. Still no two builds are the same: rustc links in a folder with a
    // random name, which the PDB records, and the image holds the PDB's hash.
    "/Brepro",
];

/// Why a miniport's build cannot be configured.
#[derive(Debug, Error)]
pub enum Error {
    /// A resource cannot be made.
    #[error(transparent)]
    Version(#[from] version_resource::LinkError),
    /// The driver kit, or what stands in for it, cannot be used.
    #[error(transparent)]
    Kit(#[from] wdk_build::ConfigError),
}

/// Emits link settings, the import library of `storport.sys` and the version resource for the miniport whose build
/// script calls this.
///
/// # Errors
/// [`enum@Error`]; outside a build script always.
pub fn configure(driver: &Driver<'_>) -> Result<(), Error> {
    // wdk-build links nothing for the storage subset.
    println!("cargo::rustc-link-lib=dylib=storport");
    for argument in LINK_ARGUMENTS {
        println!("cargo::rustc-cdylib-link-arg={argument}");
    }
    version_resource::link_into_driver(driver)?;
    wdk_build::configure_wdk_binary_build()?;
    Ok(())
}

/// Puts the texts of the miniport's own entries in the event log into the driver: a message table.
///
/// # Errors
/// [`enum@Error`]; outside a build script always.
pub fn link_messages(messages: &[Message]) -> Result<(), Error> {
    Ok(version_resource::link_messages(messages)?)
}
