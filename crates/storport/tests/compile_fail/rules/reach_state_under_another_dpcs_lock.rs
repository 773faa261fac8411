//! The lock of one DPC does not guard what another's does.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::context::Dpc;
use support::{Adapter, Toy};

fn wrong<'dev>(cx: &mut Dpc<'dev, Toy>, adapter: &'dev Adapter<'dev>) {
    cx.with_dpc_lock::<1, _>(|cx| *adapter.first_dpc.get(cx) = 1);
}
