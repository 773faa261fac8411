//! Raises the IRQL by itself and returns with it raised.
//!
//! Documented with every callback: it returns at the IRQL it was called at.
//!
//! zoo: rule=irql-changed
#![no_std]
#![no_main]

use zoo::prelude::*;

struct IrqlChanged;

impl Animal for IrqlChanged {
    unsafe fn trick(_adapter: *mut Adapter, _srb: Srb) {
        core::arch::asm!("mov cr8, {}", in(reg) 5_u64);
    }
}

zoo::exhibit!(IrqlChanged);
