//! A token is not kept for another call of `HwStorStartIo`.
#![no_std]
#![no_main]
#![allow(unused)]

mod support;

use storport::srb::Started;

fn wrong<'srb>(token: Started<'srb>) -> Started<'static> {
    token
}
