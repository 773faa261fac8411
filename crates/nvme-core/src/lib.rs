//! NVMe controller logic without I/O: bring-up, queues, command ids, PRPs, reset.
//!
//! The miniport performs what this crate decides. Nothing here touches hardware, allocates, waits, loops without
//! bound or panics; everything a device says is checked before it is used. State that lives in an adapter may begin
//! as zeroed memory.
//!
//! * [`control`]: the stepped machine for bring-up, reset, shutdown and rescans;
//! * [`queue`]: ring arithmetic; [`shadow`]: doorbells in memory; [`command_table`]: requests in flight; [`prp`]: data pointers;
//! * [`snapshot`]: what many processors read and one replaces;
//! * [`DmaStopped`]: the proof without which no request is given back;
//! * [`async_event`]: what to do about events.
#![no_std]
#![debugger_visualizer(natvis_file = "nvme-core.natvis")]
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

pub mod async_event;
pub mod command_table;
pub mod control;
mod dma_stopped;
pub mod namespace;
pub mod prp;
pub mod queue;
pub mod shadow;
pub mod snapshot;
mod sync;
mod time;

pub use dma_stopped::{DmaStopped, Epoch, How};
pub use time::{Instant, Micros};
