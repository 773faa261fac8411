//! Succeeds in what it does not know.
//!
//! Documented with `HwStorStartIo`: functions that a miniport does not support end with SRB_STATUS_INVALID_REQUEST.
//!
//! zoo: rule=unknown-function-not-refused
#![no_std]
#![no_main]

use zoo::prelude::*;

struct UnknownFunctionNotRefused;

impl Animal for UnknownFunctionNotRefused {
    unsafe fn complete(adapter: *mut Adapter, srb: Srb) {
        if (*srb).SrbStatus == status::INVALID_REQUEST {
            (*srb).SrbStatus = status::SUCCESS;
        }
        ddi::complete(adapter, srb);
    }
}

zoo::exhibit!(UnknownFunctionNotRefused);
