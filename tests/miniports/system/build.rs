//! Link settings and version resource of the driver.

use miniport_build::{Driver, Error, configure};

fn main() -> Result<(), Error> {
    configure(&Driver {
        file_name: "system.sys",
        company: "The Ferroport developers",
        product: "Ferroport",
        copyright: "MIT OR Apache-2.0",
        debug: true,
    })
}
