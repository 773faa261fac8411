//! `StorPortGetDeviceBase` is for `HwStorFindAdapter`.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::context::PassiveInitialize;
use support::Toy;

fn wrong<'dev>(cx: &mut PassiveInitialize<'dev, Toy>) {
    cx.map_registers(0);
}
