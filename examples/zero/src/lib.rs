//! `zero`: a small Storport miniport, the one that the guide's chapter "Writing a miniport" grows.
//!
//! It takes any PCI function whose first memory range it can map, asks nothing of it, and offers one disk that is full of
//! zeroes and cannot be written.
// ANCHOR: lib
#![no_std]
#![cfg(windows)]

// Panic handler and memory functions.
extern crate miniport_rt;

mod answers;
mod miniport;

storport::miniport!(miniport::Zero);
// ANCHOR_END: lib
