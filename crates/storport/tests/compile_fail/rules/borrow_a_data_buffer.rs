//! User threads may write a data buffer at any time: it is copied, never borrowed.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::srb::Srb;
use support::Toy;

fn wrong<'dev>(srb: &mut Srb<'dev, Toy>) -> Option<u8> {
    let buffer = srb.data_buffer()?;
    let bytes: &[u8] = &buffer;
    bytes.first().copied()
}
