//! A worker runs one kind of work.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::context::Dpc;
use support::{Adapter, Toy};

fn wrong<'dev>(cx: &mut Dpc<'dev, Toy>, adapter: &'dev Adapter<'dev>) {
    let worker = adapter.worker.get().unwrap();
    let _ = cx.queue(worker, 1_u32);
}
