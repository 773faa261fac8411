//! Under a lock the context of the lower IRQL cannot be used.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::context::Dpc;
use support::{Adapter, Job, Toy};

fn wrong<'dev>(cx: &mut Dpc<'dev, Toy>, adapter: &'dev Adapter<'dev>) {
    let worker = adapter.worker.get().unwrap();
    cx.with_interrupt_lock(|_| {
        let _ = cx.queue(worker, Job);
    });
}
