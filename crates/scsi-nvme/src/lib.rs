//! SCSI-to-NVMe translation without I/O.
//!
//! [`translate`] takes a CDB and what is known of the controller and the addressed namespace, and says what
//! is to be done: end the command now (the answer already written), submit an NVM command, or fail with sense
//! data. Coming back, [`outcome`] turns an NVMe completion's status into SCSI status and sense. Nothing here
//! waits, allocates, keeps state or trusts its input.
//!
//! Sources: NVM Express: SCSI Translation Reference 1.5 (SNTL), SPC-4, SBC-3, SAM-5. Where they disagree, the
//! SCSI standards win; the ADR on the translation lists each such place.
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

mod capacity;
mod data_in;
mod exchange;
mod identification;
mod inquiry;
mod log;
mod lun_set;
mod media;
mod mode;
mod provisioning;
mod report_luns;
mod request;
mod reserve;
mod status;
mod supported;
mod translate;
mod unit;
mod usual;
mod vpd;

pub use data_in::DataIn;
pub use exchange::{AREA_BYTES, Area, Command, Data, DataOut, Exchange, Next, Queue};
pub use lun_set::LunSet;
pub use request::{
    DataDirection, DataPhase, NvmCommand, Outcome, Request, Transfer, Translation, data_phase,
};
pub use status::outcome;
pub use translate::{Target, translate};
pub use unit::{Controller, Eraser, Features, Formats, Namespace};
pub use usual::{Geometry, Prepared};
