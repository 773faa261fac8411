//! `HwStorResetBus` may take the interrupt lock and no other.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::context::ResetBus;
use support::Toy;

fn wrong<'dev>(cx: &mut ResetBus<'dev, Toy>) {
    cx.with_dpc_lock::<0, _>(|_| ());
}
