//! What a debugger needs to look into a driver: gdb reads neither PE images nor PDBs.
//!
//! | file | idea |
//! | --- | --- |
//! | [`program`] | the driver's functions, lines and inlined functions, from the image and its PDB |
//! | `frames` | call frame information, from the image's unwind information |
//! | [`symbols`] | both as an ELF file with DWARF, for gdb's `add-symbol-file` |
//!
//! The two functions here do nothing: a debugger stops at them.
#![expect(
    unsafe_code,
    reason = "a debugger finds the places where it stops by their unmangled names"
)]

mod frames;
pub mod program;
pub mod symbols;

use std::{ffi::c_char, hint::black_box};

pub use self::{program::Program, symbols::DebugError};

/// A driver is mapped at `base`, and nothing of it has run.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn portlab_driver_loaded(base: u64) {
    black_box(base);
}

/// A rule was broken; `what` says which and how, for the debugger to print; it ends with a zero.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn portlab_rule_broken(what: *const c_char) {
    black_box(what);
}
