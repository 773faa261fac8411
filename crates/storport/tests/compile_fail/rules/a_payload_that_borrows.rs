//! A work item may run after whoever queued it has returned.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::{
    context::{Dpc, WorkItem},
    work_item::{Work, Worker},
};
use support::{Adapter, Toy};

struct Borrowed(&'static mut u32);

impl Work<Toy> for Borrowed {
    fn run<'dev>(self, _: &mut WorkItem<'dev, Toy>, _: &'dev Adapter<'dev>, _: Worker<'dev, Toy, Self>) {}
}

fn wrong<'dev>(cx: &mut Dpc<'dev, Toy>, worker: Worker<'dev, Toy, Borrowed>) {
    let mut local = 1;
    let _ = cx.queue(worker, Borrowed(&mut local));
}
