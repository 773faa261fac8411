//! `StorPortGetMSIInfo` is not for message routines.
#![no_std]
#![no_main]
#![allow(unused)]

mod support;

use storport::context::MessageInterrupt;
use support::Toy;

fn wrong<'dev>(cx: &mut MessageInterrupt<'dev, Toy>) {
    let _ = (**cx).message(0);
}
