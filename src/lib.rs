//! `ferronvme`: an NVMe Storport miniport.
//!
//! Thin: the callbacks here wire the port driver (crate `storport`) to controller logic (`nvme-core`) and
//! translation (`scsi-nvme`), neither of which does I/O.
//!
//! | module | idea |
//! | --- | --- |
//! | `adapter` | the state that the callbacks share |
//! | `memory` | the DMA memory, cut into queues |
//! | `request` | `HwStorBuildIo`: PRPs and command in the SRB extension |
//! | `start_io` | `HwStorStartIo`: what each SRB function leads to |
//! | `io` | the I/O queue pairs |
//! | `exchange` | requests that take several commands |
//! | `units` | logical units and their namespaces |
//! | `control` | the control path: steps the machine of `nvme-core` by stalls, by DPC and timer, by work item |
//! | `admin` | the admin queue |
//! | `events` | asynchronous events and the work item that reacts to them |
//! | `reset` | bus and unit resets |
//! | `trace` | what is told: trace ring, ETW, event log |
//! | `miniport` | the callbacks |
#![no_std]
#![cfg(windows)]
#![debugger_visualizer(natvis_file = "ferronvme.natvis")]
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

pub(crate) mod adapter;
mod admin;
/// Mistakes on purpose: in tests/broken alone, whose directory has the file.
#[cfg(ferroport_broken)]
mod broken {
    include!(concat!(env!("CARGO_MANIFEST_DIR"), "/mistakes.rs"));
}
mod control;
mod events;
mod exchange;
mod io;
mod memory;
mod miniport;
mod request;
mod reset;
mod start_io;
mod trace;
mod units;

// Panic handler and memory functions.
extern crate miniport_rt;

/// A context under the StartIo lock: of timers and resets, and what `with_start_io_lock` gives.
pub(crate) type Locked<'dev> = storport::context::ResetBus<'dev, FerroNvme>;

/// The NVMe miniport.
pub(crate) struct FerroNvme;

storport::miniport!(FerroNvme);
