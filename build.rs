//! Link settings and version resource of the driver.

use std::error::Error;

use version_resource::Driver;

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

fn main() -> Result<(), Box<dyn Error>> {
    // wdk-build links nothing for the storage subset.
    println!("cargo::rustc-link-lib=dylib=storport");
    for argument in LINK_ARGUMENTS {
        println!("cargo::rustc-cdylib-link-arg={argument}");
    }
    version_resource::link_into_driver(&Driver {
        file_name: "ferronvme.sys",
        company: "The Ferroport developers",
        product: "Ferroport",
        copyright: "MIT OR Apache-2.0",
        debug: std::env::var_os("CARGO_FEATURE_DEV").is_some(),
    })?;
    wdk_build::configure_wdk_binary_build()?;
    Ok(())
}
