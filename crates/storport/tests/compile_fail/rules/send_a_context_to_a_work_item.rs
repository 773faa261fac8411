//! A context belongs to one callback on one processor.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::{
    context::WorkItem,
    work_item::{Work, Worker},
};
use support::{Adapter, Toy};

struct Kept(WorkItem<'static, Toy>);

impl Work<Toy> for Kept {
    fn run<'dev>(self, _: &mut WorkItem<'dev, Toy>, _: &'dev Adapter<'dev>, _: Worker<'dev, Toy, Self>) {}
}
