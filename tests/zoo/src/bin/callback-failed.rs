//! Fails to stop.
//!
//! Documented with `ScsiStopAdapter`: stopping does not need the hardware, and succeeds.
//!
//! zoo: rule=callback-failed life=start
#![no_std]
#![no_main]

use zoo::prelude::*;

struct CallbackFailed;

impl Animal for CallbackFailed {
    unsafe fn control(adapter: *mut Adapter, kind: i32, parameters: PVOID) -> i32 {
        let done = callbacks::control::<Self>(adapter, kind, parameters);
        if kind == ControlType::ScsiStopAdapter {
            return ControlStatus::ScsiAdapterControlUnsuccessful;
        }
        done
    }
}

zoo::exhibit!(CallbackFailed);
