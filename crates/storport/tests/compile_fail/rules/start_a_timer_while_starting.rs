//! A start may fail, and no removal follows that would wait for the timer: none is started before the adapter runs.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use core::time::Duration;

use storport::find_adapter::FindAdapter;
use support::{Adapter, Toy};

fn wrong<'dev>(cx: &mut FindAdapter<'_, 'dev, Toy>, adapter: &'dev Adapter<'dev>) {
    let timer = adapter.timer.get().unwrap();
    let _ = cx.start_timer(timer, Duration::from_millis(1));
}
