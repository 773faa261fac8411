//! `HwStorStartIo` completes, refuses or parks its SRB.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::{
    context::StartIo,
    srb::{Fresh, Srb, Started},
};
use support::Toy;

fn wrong<'dev, 'srb>(_: &mut StartIo<'dev, Toy>, srb: Srb<'dev, Toy, Fresh<'srb>>) -> Started<'srb> {
    srb.function();
}
