//! Lock order: StartIo, then interrupt. An interrupt routine holds the interrupt lock.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::context::LineInterrupt;
use support::Toy;

fn wrong<'dev>(cx: &mut LineInterrupt<'dev, Toy>) {
    cx.with_start_io_lock(|_| ());
}
