//! The registry calls are for `PASSIVE_LEVEL`; a DPC routine runs at `DISPATCH_LEVEL`.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::{context::Dpc, registry::Value};
use support::Toy;

fn wrong<'dev>(cx: &mut Dpc<'dev, Toy>, value: Value<'_>) {
    let _ = cx.read_dword(value);
}
