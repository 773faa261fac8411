//! Logs an error the old way.
//!
//! Documented with `StorPortLogError`: its page names the compliance rule StorPortDeprecated; `StorPortLogSystemEvent` takes its place.
//!
//! zoo: rule=deprecated-call
#![no_std]
#![no_main]

use zoo::prelude::*;

struct DeprecatedCall;

impl Animal for DeprecatedCall {
    unsafe fn trick(adapter: *mut Adapter, srb: Srb) {
        StorPortLogError(adapter.cast(), srb, 0, 0, 0, 1, 1);
    }
}

zoo::exhibit!(DeprecatedCall);
