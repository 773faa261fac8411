//! `StorPortBuildScatterGatherList` is for `DISPATCH_LEVEL`.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::{context::WorkItem, mdl::Mdl, scatter_gather::Transfer};
use support::Toy;

fn wrong<'dev>(cx: &mut WorkItem<'dev, Toy>, mdl: Mdl<'dev, Toy>, transfer: Transfer) {
    let _ = cx.build_scatter_gather(mdl, transfer, None);
}
