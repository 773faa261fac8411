//! `probe`: a miniport that provokes every documented return code of the work-item, timer and DPC calls.
//!
//! For the lab's scratch device: commands come as vendor-specific SCSI commands that name a case of the table
//! (`probe-rows`), the answers go into the device's registers. Where a case is a mistake that the safe API does not let
//! one make, the DDI is called as it is: wrong drivers must be able to be wrong. Not a driver to start from.
//!
//! | module | idea |
//! | --- | --- |
//! | `ddi` | the calls as storport.h has them, with every pointer free to be NULL |
//! | `bench` | what the callbacks share, and how results are reported |
//! | `workers`, `timers`, `dpcs` | the cases |
//! | `safe` | the cases that the safe API reaches |
//! | `miniport` | the callbacks of the miniport |
#![no_std]
#![cfg(windows)]
#![expect(unsafe_code, reason = "the raw DDI, called wrongly on purpose")]

mod bench;
mod ddi;
mod dpcs;
mod miniport;
mod safe;
mod timers;
mod workers;

extern crate miniport_rt;

/// The miniport.
pub(crate) struct Probe;

storport::miniport!(Probe);
