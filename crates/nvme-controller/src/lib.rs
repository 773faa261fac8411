//! An NVMe controller in software, to test drivers against.
//!
//! It is the device's side of NVM Express Base 1.4: registers, queues in the host's memory, the admin and NVM command
//! sets, reservations, asynchronous events, a volatile write cache that forgets at a power cut, shadow doorbells, and
//! faults on demand ([`fault`]). It shares no code and no constants with any driver: what a driver got wrong must not be
//! wrong here in the same way.
//!
//! Nothing here has a thread or a clock. A [`Controller`] moves only in [`Controller::advance`], which is told the time
//! and given the host's memory, and says which interrupts are raised and when it wants to move next. So it behaves
//! the same in a threaded lab and in one that replays a seed.
//!
//! | module | idea |
//! | --- | --- |
//! | [`controller`] | fetches, executes, completes; resets |
//! | `registers` | the register file |
//! | `queue` | rings |
//! | `command`, `status` | the wire: entries and status codes |
//! | `transfer` | data pointers: PRPs and SGLs |
//! | `admin`, `identify`, `features`, `log` | the admin command set |
//! | `io` | the NVM command set |
//! | `reservation` | who may write |
//! | `firmware` | images, slots, and what a reset puts in force |
//! | `sanitize` | erasing everything, in the background |
//! | `security` | security protocols |
//! | [`namespace`], [`store`] | blocks, the write cache, what is behind them |
//! | [`witness`] | telling what the controller does |
//! | [`fault`] | the ways to be a bad controller |
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

mod admin;
mod command;
pub mod config;
pub mod controller;
pub mod fault;
mod features;
mod firmware;
mod identify;
mod io;
mod log;
pub mod memory;
pub mod namespace;
mod queue;
mod registers;
mod reservation;
mod sanitize;
mod security;
mod status;
pub mod store;
mod transfer;
pub mod witness;

pub use config::Config;
pub use controller::{Controller, Moved};
pub use memory::{Memory, OutOfRange};
pub use witness::{Seen, Witness};
