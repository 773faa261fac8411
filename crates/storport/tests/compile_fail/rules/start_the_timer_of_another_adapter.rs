//! A timer is its adapter's.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use core::time::Duration;

use storport::context::Dpc;
use support::{Adapter, Toy};

fn wrong<'dev, 'other>(cx: &mut Dpc<'dev, Toy>, other: &'other Adapter<'other>) {
    let timer = other.timer.get().unwrap();
    let _ = cx.start_timer(timer, Duration::from_millis(1));
}
