//! SCSI request blocks: functions, statuses, and (on Windows) the token-linear `Srb`.
//!
//! Source: srb.h and storport.h; the SRB pages of the Storport documentation.

#[cfg(windows)]
mod classic;
#[cfg(windows)]
mod completion;
#[cfg(windows)]
mod data_buffer;
pub mod extended;
#[cfg(windows)]
mod extension_memory;
#[cfg(windows)]
mod fields;
mod function;
#[cfg(windows)]
mod in_flight;
#[cfg(windows)]
mod io_control;
#[cfg(windows)]
mod preparing;
#[cfg(windows)]
mod request;
#[cfg(windows)]
mod token;
#[cfg(windows)]
mod view;

#[cfg(windows)]
pub use completion::Completion;
#[cfg(windows)]
pub(crate) use completion::{complete_held, complete_malformed};
#[cfg(windows)]
pub use data_buffer::DataBuffer;
#[cfg(windows)]
pub(crate) use extension_memory::srb_extension_size;
#[cfg(windows)]
pub use fields::{Fields, IoInformation, Power, TaskAttribute, Wmi};
pub use function::{Function, PnpAction, SrbStatus};
#[cfg(windows)]
pub use in_flight::InFlight;
#[cfg(windows)]
pub use io_control::IoControl;
#[cfg(windows)]
pub use preparing::{Built, ExtensionOnBus, Preparing, ScatterGather, Segment, UsualTransfer};
#[cfg(windows)]
pub use request::Srb;
#[cfg(windows)]
pub use token::{Fresh, Issued, Stage, Started, Token};
#[cfg(windows)]
pub use view::{Address, Cdb, Direction};
