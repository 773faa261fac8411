//! NVMe wire types: registers, commands, identify data, logs, status.
//!
//! Written against the NVM Express Base Specification 1.4 and 2.0 ("Base") and the NVM Command Set Specification 1.0.
//! Everything a device says is untrusted: views accept any bytes, accessors are total, nothing panics or loops
//! without bound. The crate does no I/O.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

pub mod admin;
mod command;
mod completion;
pub mod device;
mod event;
mod features;
pub mod identify;
pub mod io;
pub mod log;
mod registers;
pub mod reservation;
mod status;

pub use command::{DataPointer, NamespaceId, SubmissionEntry, admin_opcode, io_opcode};
pub use completion::Completion;
pub use event::{AsyncEvent, AsyncEventResult, ErrorEvent};
pub use features::{AsyncEventConfiguration, FeatureId, NumberOfQueues};
pub use registers::{
    AdminQueueAttributes, Capabilities, Configuration, ControllerStatus, Doorbell, ReadyTimeouts, Register,
    SUBSYSTEM_RESET_SIGNATURE, ShutdownNotification, ShutdownStatus, Version,
};
pub use status::{Status, StatusCode};

/// Bytes of a memory page as the driver configures it (CC.MPS = 0).
pub const PAGE_SIZE: usize = 4096;
