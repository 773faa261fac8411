//! Turns hot sites into jumps to trampolines.

use std::ops::Range;

use iced_x86::Instruction;

use super::{operation::Operation, own_memory};

/// A site whose instruction was replaced by a jump.
#[derive(Debug)]
pub(super) struct PatchedSite {
    pub(super) instruction: Instruction,
    pub(super) operation: Operation,
    /// Where to go on after the access.
    pub(super) resume: u64,
    /// A copy of the instruction, for accesses to ordinary memory.
    pub(super) plain: u64,
}

pub(super) fn prepare() {
    own_memory::prepare();
}

pub(super) fn consider(_: &Instruction, _: Operation) {}
pub(super) fn redirect(_: u64) -> Option<u64> {
    None
}
/// The driver's own instruction for an address in a trampoline; other addresses are returned as they are.
#[must_use]
pub fn original_address(address: u64) -> u64 {
    address
}
/// Whether sites may be patched; on by default.
pub fn set_patching(_: bool) {}
pub(crate) fn allow_patching(_: Range<u64>) {}
pub(crate) fn forget_patches(_: Range<u64>) {}
