//! A lock that is held is not taken again.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::context::StartIo;
use support::Toy;

fn wrong<'dev>(cx: &mut StartIo<'dev, Toy>) {
    cx.with_interrupt_lock(|cx| cx.with_interrupt_lock(|_| ()));
}
