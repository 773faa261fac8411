//! Handles its line interrupt and never takes the line down.
//!
//! Documented with `HwStorInterrupt`: it clears the interrupt on its device.
//!
//! zoo: rule=interrupt-storm also=livelock
#![no_std]
#![no_main]

use zoo::prelude::*;

unsafe extern "C" fn interrupt(_extension: PVOID) -> u8 {
    1
}

struct InterruptStorm;

impl Animal for InterruptStorm {
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

zoo::exhibit!(InterruptStorm);
