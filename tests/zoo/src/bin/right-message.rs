//! Odd, and right: rings its own bell, and claims the message that comes.
//!
//! zoo: rule=none
#![no_std]
#![no_main]

use zoo::prelude::*;

struct RightMessage;

impl Animal for RightMessage {
    unsafe fn trick(adapter: *mut Adapter, _srb: Srb) {
        (*adapter).registers.add(BELL).cast::<u32>().write_volatile(0);
    }

    unsafe fn message(adapter: *mut Adapter, _message: ULONG) -> bool {
        (*adapter).words[0] += 1;
        true
    }
}

zoo::exhibit!(RightMessage);
