//! `StorPortInitializeTimer` is for `DISPATCH_LEVEL` and below; `HwStorInterrupt` runs at the device's IRQL.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::context::LineInterrupt;
use support::{Adapter, Toy};

fn wrong<'dev>(cx: &mut LineInterrupt<'dev, Toy>, adapter: &'dev Adapter<'dev>) {
    adapter.timer.set(cx.create_timer().unwrap());
}
