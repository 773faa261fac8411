//! A context does not outlive its callback.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::context::Dpc;
use support::Toy;

fn wrong<'a, 'dev>(cx: &'a mut Dpc<'dev, Toy>) -> &'dev mut Dpc<'dev, Toy> {
    cx
}
