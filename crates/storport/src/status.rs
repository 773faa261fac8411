//! `STOR_STATUS_*` values and the errors that each call documents.
//!
//! Values: storport.h; meanings: the page of each DDI function. Every error type here lists exactly what its
//! call documents, and [`Undocumented`] carries anything else, so that nothing is folded away. Calls whose pages list the
//! same codes share a type.

/// A `STOR_STATUS` value that the call's documentation does not list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undocumented(pub u32);

/// `STOR_STATUS_SUCCESS`.
pub const SUCCESS: u32 = 0;
/// `STOR_STATUS_UNSUCCESSFUL`.
pub const UNSUCCESSFUL: u32 = 0xC100_0001;
/// `STOR_STATUS_NOT_IMPLEMENTED`.
pub const NOT_IMPLEMENTED: u32 = 0xC100_0002;
/// `STOR_STATUS_INSUFFICIENT_RESOURCES`.
pub const INSUFFICIENT_RESOURCES: u32 = 0xC100_0003;
/// `STOR_STATUS_BUFFER_TOO_SMALL`.
pub const BUFFER_TOO_SMALL: u32 = 0xC100_0004;
/// `STOR_STATUS_ACCESS_DENIED`.
pub const ACCESS_DENIED: u32 = 0xC100_0005;
/// `STOR_STATUS_INVALID_PARAMETER`.
pub const INVALID_PARAMETER: u32 = 0xC100_0006;
/// `STOR_STATUS_INVALID_DEVICE_REQUEST`.
pub const INVALID_DEVICE_REQUEST: u32 = 0xC100_0007;
/// `STOR_STATUS_INVALID_IRQL`.
pub const INVALID_IRQL: u32 = 0xC100_0008;
/// `STOR_STATUS_INVALID_DEVICE_STATE`.
pub const INVALID_DEVICE_STATE: u32 = 0xC100_0009;
/// `STOR_STATUS_INVALID_BUFFER_SIZE`.
pub const INVALID_BUFFER_SIZE: u32 = 0xC100_000A;
/// `STOR_STATUS_UNSUPPORTED_VERSION`.
pub const UNSUPPORTED_VERSION: u32 = 0xC100_000B;
/// `STOR_STATUS_BUSY`.
pub const BUSY: u32 = 0xC100_000C;

macro_rules! documented_errors {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $value:ident,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
            /// A status that the page of the call does not list.
            Other($crate::status::Undocumented),
        }

        impl $name {
            /// Reads the status that the call returned.
            ///
            /// # Errors
            /// Any status but `STOR_STATUS_SUCCESS`.
            pub const fn check(status: u32) -> Result<(), Self> {
                match status {
                    $crate::status::SUCCESS => Ok(()),
                    $($crate::status::$value => Err(Self::$variant),)+
                    other => Err(Self::Other($crate::status::Undocumented(other))),
                }
            }
        }
    };
}

mod memory;
mod slots;
mod system;

pub use memory::*;
pub use slots::{
    FreeTimerError, FreeWorkerError, InitializeTimerError, InitializeWorkerError, QueueWorkItemError,
    RequestTimerError,
};
pub use system::*;

documented_errors! {
    /// Why a call that documents no particular refusal failed.
    CallError {
        /// Not implemented by this version of Windows.
        NotImplemented = NOT_IMPLEMENTED,
        /// The operation failed.
        Unsuccessful = UNSUCCESSFUL,
        /// Called at a wrong IRQL.
        InvalidIrql = INVALID_IRQL,
        /// A parameter is wrong.
        InvalidParameter = INVALID_PARAMETER,
        /// The device is in the wrong state.
        InvalidDeviceState = INVALID_DEVICE_STATE,
        /// No memory.
        InsufficientResources = INSUFFICIENT_RESOURCES,
        /// The port driver is busy with an earlier call of the kind.
        Busy = BUSY,
    }
}
