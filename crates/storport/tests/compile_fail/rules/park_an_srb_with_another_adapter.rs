//! An SRB stays with its adapter.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::srb::Srb;
use support::{Adapter, Toy};

fn wrong<'dev, 'other>(srb: Srb<'dev, Toy>, other: &'other Adapter<'other>) {
    let _ = other.srbs.park(0, srb);
}
