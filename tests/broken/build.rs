//! Link settings of the driver, and its mistake.

use miniport_build::{Driver, Error, configure};

fn main() -> Result<(), Error> {
    for mistake in [
        "lost-wake-up",
        "command-id-reuse",
        "buffer-freed-under-dma",
        "unmap-does-nothing",
        "wrong-sense-out-of-range",
        "wrong-residual",
    ] {
        let feature = format!("CARGO_FEATURE_{}", mistake.to_uppercase().replace('-', "_"));
        if std::env::var_os(feature).is_some() {
            println!("cargo::rustc-cfg=ferroport_broken");
            println!("cargo::rustc-cfg=ferroport_broken=\"{mistake}\"");
        }
    }
    configure(&Driver {
        file_name: "ferronvme-broken.sys",
        company: "The Ferroport developers",
        product: "Ferroport's tests",
        copyright: "MIT OR Apache-2.0",
        debug: std::env::var_os("CARGO_FEATURE_DEV").is_some(),
    })
}
