//! With a lock for each message a message routine holds its own, not the interrupt lock.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::context::MessageInterrupt;
use support::{Adapter, Toy};

fn wrong<'dev>(cx: &mut MessageInterrupt<'dev, Toy>, adapter: &'dev Adapter<'dev>) {
    *adapter.interrupts.get(cx) = 1;
}
