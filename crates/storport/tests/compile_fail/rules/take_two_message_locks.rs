//! No page gives an order among the locks of messages.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::context::Dpc;
use support::Toy;

fn wrong<'dev>(cx: &mut Dpc<'dev, Toy>) {
    cx.with_message_lock(0, |cx| cx.with_message_lock(1, |_| ()));
}
