//! The token that `HwStorStartIo` returns is that of its own SRB.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::{
    context::StartIo,
    srb::{Completion, Fresh, Srb, Started},
};
use support::Toy;

fn wrong<'dev, 'srb, 'other>(
    cx: &mut StartIo<'dev, Toy>,
    srb: Srb<'dev, Toy, Fresh<'srb>>,
    other: Srb<'dev, Toy, Fresh<'other>>,
) -> Started<'srb> {
    let _ = srb.complete(cx, Completion::Success { transferred: 0 });
    other.complete(cx, Completion::Success { transferred: 0 })
}
