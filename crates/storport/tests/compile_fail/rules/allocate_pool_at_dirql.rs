//! `StorPortAllocatePool` is for `DISPATCH_LEVEL` and below.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::{context::LineInterrupt, memory::PoolTag};
use support::Toy;

fn wrong<'dev>(cx: &mut LineInterrupt<'dev, Toy>, tag: PoolTag) {
    let _ = cx.allocate_pool::<u64>(1, tag);
}
