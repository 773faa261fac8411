//! Uses a field of the request as a variable: the time-out is Storport's.
//!
//! Documented with `SCSI_REQUEST_BLOCK`: members that a miniport sets are named one by one, TimeOutValue is none of them.
//!
//! zoo: rule=srb-header-changed
#![no_std]
#![no_main]

use zoo::prelude::*;

struct SrbHeaderChanged;

impl Animal for SrbHeaderChanged {
    unsafe fn trick(_adapter: *mut Adapter, srb: Srb) {
        (*srb).TimeOutValue = 0;
    }
}

zoo::exhibit!(SrbHeaderChanged);
