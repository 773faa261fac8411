//! An SRB is never completed with `SRB_STATUS_PENDING`.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::{
    context::Dpc,
    srb::{Completion, Srb, SrbStatus},
};
use support::Toy;

fn wrong<'dev>(cx: &mut Dpc<'dev, Toy>, srb: Srb<'dev, Toy>) {
    srb.complete(cx, Completion::Status(SrbStatus::Pending));
}
