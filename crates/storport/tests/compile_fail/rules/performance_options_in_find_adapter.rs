//! `StorPortInitializePerfOpts` is for `HwStorInitialize` and `HwStorPassiveInitialize`.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::{find_adapter::FindAdapter, performance::Performance};
use support::Toy;

fn wrong<'dev>(cx: &mut FindAdapter<'_, 'dev, Toy>) {
    let _ = cx.set_performance(&Performance::new());
}
