//! The request keeps the unit, and the unit its memory.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::{
    context::StartIo,
    srb::{Completion, Fresh, Srb, Started},
};
use support::Toy;

fn wrong<'dev, 'srb>(cx: &mut StartIo<'dev, Toy>, srb: Srb<'dev, Toy, Fresh<'srb>>) -> (Started<'srb>, u64) {
    let memory = srb.unit_extension(cx).unwrap();
    let token = srb.complete(cx, Completion::Success { transferred: 0 });
    (token, *memory)
}
