//! Lock order: a DPC's, then interrupt.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::context::Dpc;
use support::Toy;

fn wrong<'dev>(cx: &mut Dpc<'dev, Toy>) {
    cx.with_interrupt_lock(|cx| cx.with_dpc_lock::<0, _>(|_| ()));
}
