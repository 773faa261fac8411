//! `StorPortFreeWorker` is for `DISPATCH_LEVEL` and below; `ScsiStopAdapter` may come at the device's IRQL.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::context::Control;
use support::{Adapter, Toy};

fn wrong<'dev>(cx: &Control<'dev, Toy>, adapter: &'dev Adapter<'dev>) {
    let worker = adapter.worker.get().unwrap();
    cx.close_worker(worker);
}
