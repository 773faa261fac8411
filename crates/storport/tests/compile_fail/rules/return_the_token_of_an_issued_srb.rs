//! An SRB that comes back from the device is no answer to the one that has just come.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::{
    context::StartIo,
    srb::{Completion, Started},
};
use support::{Adapter, Toy};

fn wrong<'dev, 'srb>(cx: &mut StartIo<'dev, Toy>, adapter: &'dev Adapter<'dev>) -> Started<'srb> {
    let other = adapter.srbs.take(cx, 0).unwrap();
    other.complete(cx, Completion::Success { transferred: 0 })
}
