//! Odd, and right: uses the interrupt line of old, and takes it down in its routine.
//!
//! zoo: rule=none
#![no_std]
#![no_main]

use zoo::prelude::*;

unsafe extern "C" fn interrupt(extension: PVOID) -> u8 {
    let line = (*extension.cast::<Adapter>()).registers.add(LINE).cast::<u32>();
    if line.read_volatile() & 1 == 0 {
        return 0;
    }
    line.write_volatile(0);
    1
}

struct RightLineInterrupt;

impl Animal for RightLineInterrupt {
    unsafe fn register(data: &mut HW_INITIALIZATION_DATA) {
        data.HwInterrupt = Some(interrupt);
    }

    unsafe fn found(_adapter: *mut Adapter, configuration: &mut PORT_CONFIGURATION_INFORMATION) {
        configuration.HwMSInterruptRoutine = None;
    }

    unsafe fn trick(adapter: *mut Adapter, _srb: Srb) {
        (*adapter).registers.add(LINE).cast::<u32>().write_volatile(1);
    }
}

zoo::exhibit!(RightLineInterrupt);
