//! Makes its component idle without having activated it.
//!
//! Documented with `StorPortPoFxIdleComponent`: each call undoes one of `StorPortPoFxActivateComponent`.
//!
//! zoo: rule=pofx-idle-unbalanced
#![no_std]
#![no_main]

use zoo::prelude::*;

/// `STOR_POFX_DEVICE` with one `STOR_POFX_COMPONENT` of one idle state, F0.
#[repr(C)]
struct Device {
    version: u32,
    size: u32,
    components: u32,
    flags: u32,
    component_version: u32,
    component_size: u32,
    states: u32,
    deepest_wakeable: u32,
    id: [u8; 16],
    state_version: u32,
    state_size: u32,
    latency: u64,
    residency: u64,
    power: u32,
    padding: u32,
}

struct PofxIdleUnbalanced;

impl Animal for PofxIdleUnbalanced {
    unsafe fn passive_initialize(adapter: *mut Adapter) -> bool {
        let mut device = Device {
            version: 1,
            size: size_of::<Device>() as u32,
            components: 1,
            flags: 0,
            component_version: 1,
            component_size: size_of::<Device>() as u32 - 16,
            states: 1,
            deepest_wakeable: 0,
            id: [0x5A; 16],
            state_version: 1,
            state_size: 32,
            latency: 0,
            residency: 0,
            power: 0,
            padding: 0,
        };
        let mut cold = 0_u8;
        StorPortExtendedFunction(
            Function::ExtFunctionInitializePoFxPower,
            adapter.cast(),
            ptr::null_mut::<c_void>(),
            &raw mut device,
            &raw mut cold,
        );
        StorPortExtendedFunction(
            Function::ExtFunctionPoFxIdleComponent,
            adapter.cast(),
            ptr::null_mut::<c_void>(),
            ptr::null_mut::<c_void>(),
            0_u32,
            0_u32,
        );
        true
    }
}

zoo::exhibit!(PofxIdleUnbalanced);
