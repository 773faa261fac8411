//! Completing a request may lead to the next one at once: nothing guarded by the lock is held meanwhile.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::{
    context::StartIo,
    srb::{Completion, Fresh, Srb, Started},
};
use support::Toy;

fn wrong<'dev, 'srb>(cx: &mut StartIo<'dev, Toy>, srb: Srb<'dev, Toy, Fresh<'srb>>) -> Started<'srb> {
    let state = cx.start_io_state();
    let token = srb.complete(cx, Completion::Success { transferred: 0 });
    *state = 1;
    token
}
