//! `StorPortGetUncachedExtension` is for `HwStorFindAdapter` only.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::{context::PassiveInitialize, find_adapter::Limits};
use support::Toy;

fn wrong<'dev>(cx: &mut PassiveInitialize<'dev, Toy>, limits: &Limits) {
    cx.uncached_extension(4096, limits);
}
