//! Reads the registry in `HwStorStartIo`.
//!
//! Documented with `StorPortRegistryRead`: IRQL = PASSIVE_LEVEL.
//!
//! zoo: rule=irql-too-high
#![no_std]
#![no_main]

use zoo::prelude::*;

struct IrqlTooHighRegistry;

impl Animal for IrqlTooHighRegistry {
    unsafe fn trick(adapter: *mut Adapter, _srb: Srb) {
        let mut value = [0_u8; 4];
        let mut length = 4;
        StorPortRegistryRead(
            adapter.cast(),
            c"Depth".as_ptr().cast_mut().cast(),
            0,
            4,
            value.as_mut_ptr(),
            &raw mut length,
        );
    }
}

zoo::exhibit!(IrqlTooHighRegistry);
