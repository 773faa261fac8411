//! A lock guards the state of its own adapter.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::context::LineInterrupt;
use support::{Adapter, Toy};

fn wrong<'dev, 'other>(cx: &mut LineInterrupt<'dev, Toy>, other: &'other Adapter<'other>) {
    *other.interrupts.get(cx) = 1;
}
