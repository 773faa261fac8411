//! `SRB_STATUS_BUSY` is for requests for which nothing was issued: it discards the extension.
#![no_std]
#![no_main]
#![allow(unused, reason = "a rule is shown in as few lines as it takes")]

mod support;

use storport::context::Dpc;
use support::{Adapter, Toy};

fn wrong<'dev>(cx: &mut Dpc<'dev, Toy>, adapter: &'dev Adapter<'dev>) {
    if let Some(srb) = adapter.srbs.take(cx, 0) {
        srb.busy(cx);
    }
}
