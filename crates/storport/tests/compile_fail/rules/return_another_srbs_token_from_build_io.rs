//! The token that `HwStorBuildIo` returns is that of its own SRB.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::srb::{Built, Preparing};
use support::Toy;

fn wrong<'srb, 'other>(srb: Preparing<'srb, Toy>, other: Preparing<'other, Toy>) -> Built<'srb> {
    let _ = srb.proceed();
    other.proceed()
}
