//! Concurrent channels take the StartIo lock away from `HwStorStartIo`: a miniport says so in its types.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::performance::Performance;
use support::Toy;

fn wrong() -> Performance<Toy> {
    Performance::new().concurrent_channels(4)
}
