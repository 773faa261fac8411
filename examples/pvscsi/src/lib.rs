//! `pvscsi`: a miniport for VMware's paravirtual SCSI adapter (PCI 15AD:07C0), which QEMU has, too.
//!
//! The example that other miniports start from: small, complete, and without `unsafe`. The adapter takes SCSI commands as
//! they are, so that nothing is translated here; the guide walks through it ("The example: a SCSI adapter").
//!
//! | module | idea |
//! | --- | --- |
//! | `registers` | the adapter's registers and commands |
//! | `memory` | the DMA memory, cut into rings |
//! | `rings` | what lies in the rings: requests, completions, messages |
//! | `adapter` | the state that the callbacks share |
//! | `build_io` | `HwStorBuildIo`: where the data is, in the SRB extension |
//! | `start_io` | `HwStorStartIo`: what each SRB function leads to |
//! | `completion` | completions, and what their statuses mean |
//! | `reset` | start and stop, resets of units and of the bus |
//! | `hot_plug` | messages: disks that come and go |
//! | `miniport` | the callbacks |
//!
//! Sources: the adapter's interface as the public drivers and QEMU's model agree on it (registers, ring layouts,
//! commands, host statuses); nobody has published a specification.
#![no_std]
#![cfg(windows)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod adapter;
mod build_io;
mod completion;
mod hot_plug;
mod memory;
mod miniport;
mod registers;
mod reset;
mod rings;
mod start_io;

// Panic handler and memory functions.
extern crate miniport_rt;

/// The miniport.
pub(crate) struct Pvscsi;

storport::miniport!(Pvscsi);
