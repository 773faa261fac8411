//! The Storport DDI for miniports, made safe.
//!
//! A miniport implements `Miniport` and names itself in `miniport!`. Each callback gets a `Context` typed by
//! the IRQL it surely runs at and the exclusion that surely holds; a DDI call is a method that exists only
//! where its page allows it. Everything that belongs to the device (registers, DMA memory, workers, SRBs) carries
//! the lifetime `'dev`, so that it can be kept in the adapter and nowhere else.
//!
//! `ddi` lists every function of the DDI with the method that calls it, or why there is none.
//!
//! The port driver's half is compiled for Windows only; the parts that decide something ([`slot`], [`rundown`],
//! [`gate`], [`cell`], [`stepped`], [`status`], [`text`], [`version`], [`srb::extended`], [`pci`],
//! [`memory::ownership`], [`memory::page`], [`debugger`]) build and are tested everywhere.
#![no_std]
#![debugger_visualizer(natvis_file = "storport.natvis")]
#![expect(unsafe_code, reason = "this crate is the boundary to the port driver")]
#![cfg_attr(
    not(windows),
    expect(
        rustdoc::broken_intra_doc_links,
        reason = "the pages of what builds everywhere link to the Windows half; its own documentation checks them"
    )
)]
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

#[cfg(any(test, loom))]
extern crate std;

pub mod cell;
pub mod debugger;
pub mod gate;
pub mod memory;
pub mod pci;
pub mod rundown;
pub mod slot;
pub mod srb;
pub mod status;
pub mod stepped;
mod sync;
pub mod text;
pub mod version;

#[cfg(windows)]
pub mod adapter;
#[cfg(all(windows, feature = "inferred-ddi"))]
pub mod affinity;
#[cfg(windows)]
mod brand;
#[cfg(windows)]
pub mod context;
#[cfg(windows)]
pub mod control;
#[cfg(windows)]
pub mod ddi;
#[cfg(windows)]
pub mod dma;
#[cfg(windows)]
pub mod dump;
#[cfg(windows)]
pub mod entry;
#[cfg(all(windows, feature = "inferred-ddi"))]
pub mod event;
#[cfg(windows)]
mod extension;
#[cfg(all(windows, feature = "inferred-ddi"))]
pub mod failure;
#[cfg(windows)]
mod ffi;
#[cfg(windows)]
pub mod find_adapter;
#[cfg(windows)]
mod lifecycle;
#[cfg(windows)]
pub mod lock;
#[cfg(windows)]
pub mod log;
#[cfg(windows)]
pub mod mdl;
#[cfg(windows)]
pub mod message;
#[cfg(windows)]
pub mod miniport;
#[cfg(windows)]
pub mod performance;
#[cfg(windows)]
pub mod port;
#[cfg(windows)]
pub mod power;
#[cfg(windows)]
pub mod processor;
#[cfg(windows)]
pub mod queue;
#[cfg(windows)]
pub mod register;
#[cfg(windows)]
pub mod registry;
#[cfg(windows)]
pub mod scatter_gather;
#[cfg(windows)]
pub mod time;
#[cfg(windows)]
pub mod timer;
#[cfg(windows)]
pub mod trace;
#[cfg(windows)]
pub mod unit;
#[cfg(windows)]
pub mod work_item;

#[cfg(windows)]
pub use context::Context;
#[cfg(windows)]
pub use miniport::Miniport;
pub use zerocopy;
