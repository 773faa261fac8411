//! Calls a function whose number stands in no kit that was checked: `StorPortGetCurrentIrql`.
//!
//! Legal where it exists. A wrong number calls another function, so the lab says it.
//!
//! zoo: rule=function-code-inferred
#![no_std]
#![no_main]

use zoo::prelude::*;

/// `ExtFunctionGetCurrentIrql`.
const GET_CURRENT_IRQL: i32 = 109;

struct FunctionCodeInferred;

impl Animal for FunctionCodeInferred {
    unsafe fn trick(adapter: *mut Adapter, _srb: Srb) {
        let mut irql = 0_u8;
        StorPortExtendedFunction(GET_CURRENT_IRQL, adapter.cast(), &raw mut irql);
    }
}

zoo::exhibit!(FunctionCodeInferred);
