//! The port driver holds the StartIo lock around `HwStorStartIo`: taking it again would never return.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::context::StartIo;
use support::Toy;

fn wrong<'dev>(cx: &mut StartIo<'dev, Toy>) {
    cx.with_start_io_lock(|_| ());
}
