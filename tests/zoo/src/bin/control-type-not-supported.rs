//! Cannot be stopped.
//!
//! Documented with `HwStorAdapterControl`: ScsiStopAdapter is supported.
//!
//! zoo: rule=control-type-not-supported also=callback-failed
#![no_std]
#![no_main]

use zoo::prelude::*;

struct ControlTypeNotSupported;

impl Animal for ControlTypeNotSupported {
    unsafe fn control(adapter: *mut Adapter, kind: i32, parameters: PVOID) -> i32 {
        let done = callbacks::control::<Self>(adapter, kind, parameters);
        if kind == ControlType::ScsiQuerySupportedControlTypes {
            let list = parameters.cast::<u8>().add(size_of::<ULONG>());
            list.add(ControlType::ScsiStopAdapter as usize).write(0);
        }
        done
    }
}

zoo::exhibit!(ControlTypeNotSupported);
