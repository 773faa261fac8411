//! SCSI wire types of a direct access block device: CDBs, sense data, INQUIRY and VPD pages, mode pages and
//! the parameter data of READ CAPACITY and REPORT LUNS.
//!
//! The crate knows byte layouts and nothing else: no device, no transport, no I/O. What comes from an
//! initiator is parsed by [`cdb::Command::parse`], which accepts any bytes of any length; what goes back are
//! structures whose bytes are the answer. Sources: SPC-4 (INCITS 513, T10/1731-D), SBC-3 (INCITS 514,
//! T10/1799-D), SAM-5 (INCITS 515).
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

pub mod capacity;
pub mod cdb;
pub mod inquiry;
pub mod luns;
pub mod mode;
pub mod opcode;
pub mod sense;
pub mod status;
pub mod vpd;
