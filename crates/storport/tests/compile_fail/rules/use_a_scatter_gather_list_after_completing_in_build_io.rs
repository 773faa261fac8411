//! A scatter/gather list is the request's: it goes when `HwStorBuildIo` completes it.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::srb::{Built, Completion, Preparing, SrbStatus};
use support::Toy;

fn wrong<'srb>(srb: Preparing<'srb, Toy>) -> Built<'srb> {
    let list = srb.scatter_gather();
    let built = srb.complete(Completion::Status(SrbStatus::InvalidRequest));
    let _ = list.map(|list| list.segments().count());
    built
}
