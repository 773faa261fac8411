//! A worker is its adapter's.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::context::Dpc;
use support::{Adapter, Job, Toy};

fn wrong<'dev, 'other>(cx: &mut Dpc<'dev, Toy>, other: &'other Adapter<'other>) {
    let worker = other.worker.get().unwrap();
    let _ = cx.queue(worker, Job);
}
