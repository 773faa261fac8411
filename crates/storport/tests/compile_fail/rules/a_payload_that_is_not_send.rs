//! A work item runs on another thread.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::{
    context::WorkItem,
    work_item::{Work, Worker},
};
use support::{Adapter, Toy};

struct Shared(*mut u32);

impl Work<Toy> for Shared {
    fn run<'dev>(self, _: &mut WorkItem<'dev, Toy>, _: &'dev Adapter<'dev>, _: Worker<'dev, Toy, Self>) {}
}
