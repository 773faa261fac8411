//! A payload lies in its slot, which has 64 bytes.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::{
    context::{Dpc, WorkItem},
    work_item::{Work, Worker},
};
use support::{Adapter, Toy};

struct Large([u8; 65]);

impl Work<Toy> for Large {
    fn run<'dev>(self, _: &mut WorkItem<'dev, Toy>, _: &'dev Adapter<'dev>, _: Worker<'dev, Toy, Self>) {}
}

#[unsafe(no_mangle)]
fn wrong(cx: &mut Dpc<'_, Toy>) {
    let _ = cx.create_worker::<Large>();
}
