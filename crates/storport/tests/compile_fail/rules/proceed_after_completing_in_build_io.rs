//! What `HwStorBuildIo` has completed does not go on to `HwStorStartIo`.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::srb::{Built, Completion, Preparing, SrbStatus};
use support::Toy;

fn wrong<'srb>(srb: Preparing<'srb, Toy>) -> Built<'srb> {
    let _ = srb.complete(Completion::Status(SrbStatus::InvalidRequest));
    srb.proceed()
}
