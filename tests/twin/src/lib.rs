//! `ferronvme`'s I/O path once more, by hand: raw pointers, the raw DDI, atomics where they are needed.
//!
//! This is what `storport` is measured against (`./x cost`, docs/guide/cost.md). It uses the same crates without
//! `unsafe` (`nvme`, `nvme-core`, `scsi-nvme`) for the same decisions, so that what differs is the layer towards the port
//! driver. It believes what a driver in C believes: that SRBs are well formed, that the port driver keeps the order of
//! its callbacks, that a doorbell lies where the capabilities say. It is a test driver: it starts, does I/O, resets its
//! bus and is removed, and has no asynchronous events, no unit reset and no power management.
//!
//! | module | idea |
//! | --- | --- |
//! | `adapter` | the device extension |
//! | `entry` | registration and the callbacks that are not measured |
//! | `control` | steps the control machine by stalls |
//! | `srb` | fields of an extended SRB |
//! | `io` | `HwStorBuildIo`, `HwStorStartIo`, the message routine, the DPC: what is measured |
#![no_std]
#![cfg(windows)]
#![allow(
    clippy::missing_safety_doc,
    clippy::allow_attributes_without_reason,
    unsafe_op_in_unsafe_fn,
    reason = "as a driver in C: every function has the same obligations, those of the DDI"
)]

// Panic handler and memory functions.
extern crate miniport_rt;

mod adapter;
mod control;
mod entry;
mod io;
mod srb;
