//! The port driver holds the StartIo lock around `HwStorTimer`.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::context::Timer;
use support::Toy;

fn wrong<'dev>(cx: &mut Timer<'dev, Toy>) {
    cx.with_start_io_lock(|_| ());
}
