//! Concurrent channels take the StartIo lock away from `HwStorStartIo`: a miniport says so in its types.
#![no_std]
#![no_main]
#![allow(unused)]

mod support;

use storport::performance::Performance;
use support::Toy;

fn wrong() -> Performance<Toy> {
    Performance::new().concurrent_channels(4)
}
