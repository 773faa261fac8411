//! State guarded by a lock is not reached after the lock is released.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::context::Dpc;
use support::Toy;

fn wrong<'dev>(cx: &mut Dpc<'dev, Toy>) -> u32 {
    let state = cx.with_start_io_lock(|cx| cx.start_io_state());
    *state
}
