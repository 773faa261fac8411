//! `StorPortGetMSIInfo` is not for message routines.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::context::MessageInterrupt;
use support::Toy;

fn wrong<'dev>(cx: &mut MessageInterrupt<'dev, Toy>) {
    let _ = (**cx).message(0);
}
