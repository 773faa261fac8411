//! A start may fail, and no removal follows that would wait for the work item: none is queued before the adapter runs.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::context::PassiveInitialize;
use support::{Adapter, Job, Toy};

fn wrong<'dev>(cx: &mut PassiveInitialize<'dev, Toy>, adapter: &'dev Adapter<'dev>) {
    let worker = adapter.worker.get().unwrap();
    let _ = cx.queue(worker, Job);
}
