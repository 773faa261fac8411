//! `StorPortPause` is for `DISPATCH_LEVEL` and below.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use core::time::Duration;

use storport::context::LineInterrupt;
use support::Toy;

fn wrong<'dev>(cx: &mut LineInterrupt<'dev, Toy>) {
    cx.pause(Duration::from_secs(1));
}
