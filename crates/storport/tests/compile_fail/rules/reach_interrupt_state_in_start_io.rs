//! `HwStorStartIo` does not hold the interrupt lock.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::context::StartIo;
use support::{Adapter, Toy};

fn wrong<'dev>(cx: &mut StartIo<'dev, Toy>, adapter: &'dev Adapter<'dev>) {
    *adapter.interrupts.get(cx) = 1;
}
