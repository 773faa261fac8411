//! `StorPortQueueWorkItem` is for `DISPATCH_LEVEL` and below; a message routine runs at the device's IRQL.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::context::MessageInterrupt;
use support::{Adapter, Job, Toy};

fn wrong<'dev>(cx: &mut MessageInterrupt<'dev, Toy>, adapter: &'dev Adapter<'dev>) {
    let worker = adapter.worker.get().unwrap();
    let _ = cx.queue(worker, Job);
}
