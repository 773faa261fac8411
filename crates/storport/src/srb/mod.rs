//! SCSI request blocks: functions, statuses, and (on Windows) the token-linear `Srb`.
//!
//! Source: srb.h and storport.h; the SRB pages of the Storport documentation.

pub mod extended;
mod function;
#[cfg(windows)]
mod in_flight;
#[cfg(windows)]
mod request;
#[cfg(windows)]
mod view;

pub use function::{Function, PnpAction, SrbStatus};
#[cfg(windows)]
pub use in_flight::InFlight;
#[cfg(windows)]
pub use request::{Built, Completion, DataBuffer, Preparing, ScatterGather, Segment, Srb, Started};
#[cfg(windows)]
pub(crate) use request::{complete_held, complete_malformed, srb_extension_size};
#[cfg(windows)]
pub use view::{Address, Cdb, Direction};
