//! The StartIo lock is not held around a DPC routine.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::context::Dpc;
use support::Toy;

fn wrong<'dev>(cx: &mut Dpc<'dev, Toy>) {
    *cx.start_io_state() = 1;
}
