//! Link settings, version resource and message table of the driver.

use ferronvme_events::{ROWS, message_id};
use miniport_build::{Driver, Error, Message, configure, link_messages};

fn main() -> Result<(), Error> {
    configure(&Driver {
        file_name: "ferronvme.sys",
        company: "The Ferroport developers",
        product: "Ferroport",
        copyright: "MIT OR Apache-2.0",
        debug: std::env::var_os("CARGO_FEATURE_DEV").is_some(),
    })?;
    let messages: Vec<_> = ROWS
        .iter()
        .filter_map(|row| {
            Some(Message {
                id: message_id(row.level, row.id),
                text: row.message?.to_owned(),
            })
        })
        .collect();
    link_messages(&messages)
}
