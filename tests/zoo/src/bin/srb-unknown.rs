//! Completes something that Storport never handed out: memory of its own extension.
//!
//! Documented with `StorPortNotification`, RequestComplete: "Srb" is the request that is complete.
//!
//! zoo: rule=srb-unknown
#![no_std]
#![no_main]

use zoo::prelude::*;

struct SrbUnknown;

impl Animal for SrbUnknown {
    unsafe fn trick(adapter: *mut Adapter, _srb: Srb) {
        let mine = (&raw mut (*adapter).words).cast();
        ddi::complete(adapter, mine);
    }
}

zoo::exhibit!(SrbUnknown);
