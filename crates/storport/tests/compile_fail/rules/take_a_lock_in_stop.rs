//! One page says that `ScsiStopAdapter` comes under the interrupt lock, another that it comes without: no lock is taken.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::context::Control;
use support::Toy;

fn wrong<'dev>(cx: &mut Control<'dev, Toy>) {
    cx.with_interrupt_lock(|_| ());
}
