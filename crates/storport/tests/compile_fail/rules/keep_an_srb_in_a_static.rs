//! An SRB does not outlive its adapter.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::srb::{InFlight, Srb};
use support::Toy;

unsafe extern "C" {
    safe static KEPT: InFlight<'static, Toy, 1>;
}

fn wrong<'dev>(srb: Srb<'dev, Toy>) {
    let _ = KEPT.park(0, srb);
}
