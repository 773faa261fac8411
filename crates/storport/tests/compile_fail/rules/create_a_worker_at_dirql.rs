//! `StorPortInitializeWorker` is for `DISPATCH_LEVEL` and below; `HwStorInitialize` runs at the device's IRQL.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::context::Initialize;
use support::{Adapter, Toy};

fn wrong<'dev>(cx: &mut Initialize<'dev, Toy>, adapter: &'dev Adapter<'dev>) {
    adapter.worker.set(cx.create_worker().unwrap());
}
