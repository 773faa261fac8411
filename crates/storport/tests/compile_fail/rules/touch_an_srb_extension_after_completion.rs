//! An SRB's extension goes with it.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::{
    context::StartIo,
    srb::{Completion, Fresh, Srb, Started},
};
use support::Toy;

fn wrong<'dev, 'srb>(cx: &mut StartIo<'dev, Toy>, mut srb: Srb<'dev, Toy, Fresh<'srb>>) -> Started<'srb> {
    let extension = srb.extension().unwrap();
    let token = srb.complete(cx, Completion::Success { transferred: 0 });
    *extension = 1;
    token
}
