//! Odd, and right: cannot be restarted, so that it is found again on the extension that it left, which nobody zeroes.
//!
//! zoo: rule=none life=again
#![no_std]
#![no_main]

use zoo::prelude::*;

struct RightFoundAgain;

impl Animal for RightFoundAgain {
    unsafe fn control(adapter: *mut Adapter, kind: i32, parameters: PVOID) -> i32 {
        let done = callbacks::control::<Self>(adapter, kind, parameters);
        if kind == ControlType::ScsiQuerySupportedControlTypes {
            let list = parameters.cast::<u8>().add(size_of::<ULONG>());
            list.add(ControlType::ScsiRestartAdapter as usize).write(0);
        }
        done
    }
}

zoo::exhibit!(RightFoundAgain);
