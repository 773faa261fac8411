//! The state of a DPC is its routine's.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::context::Timer;
use support::Toy;

fn wrong<'dev>(cx: &mut Timer<'dev, Toy>) {
    *cx.state() = 1;
}
