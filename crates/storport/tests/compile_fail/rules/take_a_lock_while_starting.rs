//! `HwStorPassiveInitialize` may take no lock.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::context::PassiveInitialize;
use support::Toy;

fn wrong<'dev>(cx: &mut PassiveInitialize<'dev, Toy>) {
    cx.with_interrupt_lock(|_| ());
}
