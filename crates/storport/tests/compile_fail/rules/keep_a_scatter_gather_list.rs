//! A scatter/gather list is valid until its SRB is completed.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::srb::{Preparing, ScatterGather};
use support::Toy;

fn wrong<'srb>(srb: Preparing<'srb, Toy>) -> Option<ScatterGather<'static>> {
    let list = srb.scatter_gather();
    let _ = srb.proceed();
    list
}
