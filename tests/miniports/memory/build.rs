//! Link settings of the driver.

fn main() -> Result<(), wdk_build::ConfigError> {
    // wdk-build links nothing for the storage subset.
    println!("cargo::rustc-link-lib=dylib=storport");
    wdk_build::configure_wdk_binary_build()
}
