//! A token is not kept for another call of `HwStorStartIo`.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::srb::Started;

fn wrong<'srb>(token: Started<'srb>) -> Started<'static> {
    token
}
