//! A message's state is guarded by its lock.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::context::Dpc;
use support::{Adapter, Toy};

fn wrong<'dev>(cx: &mut Dpc<'dev, Toy>, adapter: &'dev Adapter<'dev>) {
    adapter.messages.get(cx);
}
