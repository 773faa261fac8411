//! The Storport and kernel structures, with explicit widths.
//!
//! A second reading of the documentation, independent of the `storport` crate and of wdk-sys: a mistake in
//! one of them shows as a difference between the two. Integers only; pointers are [`GuestAddress`]es.
//! `tests/abi.rs` compares sizes and offsets with figures taken from a real kit (10.0.16299).

pub mod codes;
pub mod configuration;
pub mod control;
pub mod entry;
pub mod exports;
pub mod guest;
pub mod performance;
pub mod power;
pub mod registration;
pub mod srb;
pub mod synchronization;
pub mod transfer;

/// An address in the driver's (and so this process') address space; 0 is NULL.
pub type GuestAddress = u64;
