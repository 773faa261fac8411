//! Makes its worker in `HwStorInitialize`, which runs at the device's IRQL.
//!
//! Documented with `StorPortInitializeWorker`: IRQL <= DISPATCH_LEVEL.
//!
//! zoo: rule=irql-too-high
#![no_std]
#![no_main]

use zoo::prelude::*;

struct IrqlTooHigh;

impl Animal for IrqlTooHigh {
    unsafe fn initialize(adapter: *mut Adapter) -> bool {
        ddi::initialize_worker(adapter);
        true
    }
}

zoo::exhibit!(IrqlTooHigh);
