//! Registers are mapped until the adapter is removed.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::{cell::SetOnce, register::Registers};

unsafe extern "C" {
    safe static KEPT: SetOnce<Registers<'static>>;
}

fn wrong<'dev>(registers: Registers<'dev>) {
    KEPT.set(registers);
}
