//! `StorPortInitializePerfOpts` is for `HwStorInitialize` and `HwStorPassiveInitialize`.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::{context::StartIo, performance::Performance};
use support::Toy;

fn wrong<'dev>(cx: &mut StartIo<'dev, Toy>) {
    let _ = cx.set_performance(&Performance::new());
}
