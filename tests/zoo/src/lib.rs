//! What every animal of the zoo shares: a right little miniport, a RAM disk in its device extension, written against the
//! raw DDI as a driver in C would be.
//!
//! An animal is a file of `src/bin`: it overrides what it does otherwise ([`Animal`]) and becomes a `.sys` by
//! [`exhibit!`]. Its doc comment is its label; `tests/zoo/README.md` says how to read and write one.
//!
//! | module | idea |
//! | --- | --- |
//! | `animal` | what an animal may do otherwise |
//! | `callbacks` | registration, and what Storport calls |
//! | `disk` | the requests: what right drivers do with them |
//! | `ddi` | calls that need more than a line |
#![no_std]
#![cfg(windows)]
#![allow(
    clippy::missing_safety_doc,
    clippy::allow_attributes_without_reason,
    unsafe_op_in_unsafe_fn,
    reason = "as drivers in C: every function has the same obligations, those of the DDI"
)]

// Panic handler and memory functions.
extern crate miniport_rt;

pub mod animal;
pub mod callbacks;
pub mod ddi;
pub mod disk;

pub use animal::{Adapter, Animal};
pub use wdk_sys;

/// What animals use.
pub mod prelude {
    pub use core::{ffi::c_void, ptr};

    pub use wdk_sys::{
        _SCSI_ADAPTER_CONTROL_STATUS as ControlStatus, _SCSI_ADAPTER_CONTROL_TYPE as ControlType,
        _SCSI_NOTIFICATION_TYPE as Notify, _STOR_SPINLOCK as SpinLock, _STORPORT_FUNCTION_CODE as Function,
        HW_INITIALIZATION_DATA, PORT_CONFIGURATION_INFORMATION, PVOID, SCSI_REQUEST_BLOCK, STOR_DPC,
        STOR_LOCK_HANDLE, ULONG, storage::*,
    };

    pub use crate::{
        animal::{Adapter, Animal, BELL, LINE, Srb},
        callbacks, ddi, disk,
        disk::status,
    };
}

/// Makes a driver of an animal: its `DriverEntry`.
#[macro_export]
macro_rules! exhibit {
    ($animal:ty) => {
        #[unsafe(export_name = "DriverEntry")]
        unsafe extern "system" fn driver_entry(
            driver: *mut core::ffi::c_void,
            path: *mut core::ffi::c_void,
        ) -> i32 {
            unsafe { $crate::callbacks::driver_entry::<$animal>(driver, path) }
        }
    };
}
