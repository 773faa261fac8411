//! `HwStorBuildIo` runs in parallel with removal: it sees its SRB and the extension, and has no context.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::srb::{Built, Preparing};
use support::Toy;

fn wrong<'srb>(srb: Preparing<'srb, Toy>) -> Built<'srb> {
    srb.adapter();
    srb.proceed()
}
