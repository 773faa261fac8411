//! `StorPortGetBusData` is for `HwStorFindAdapter` and `ScsiSetRunningConfig`.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::context::Control;
use support::Toy;

fn wrong<'dev>(cx: &Control<'dev, Toy>) {
    cx.pci_configuration();
}
