//! `StorPortGetLogicalUnit` takes the interrupt lock.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::{context::LineInterrupt, srb::Srb};
use support::Toy;

fn wrong<'dev>(cx: &mut LineInterrupt<'dev, Toy>, srb: &Srb<'dev, Toy>) {
    let _ = srb.unit_extension(cx);
}
