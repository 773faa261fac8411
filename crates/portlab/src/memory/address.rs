//! Addresses as numbers and as pointers.

/// The address as a pointer to memory that is not Rust's: mapped by the lab, written by drivers and devices.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the lab runs on x86-64 only: usize has 64 bits"
)]
pub(crate) const fn pointer<T>(address: u64) -> *mut T {
    std::ptr::with_exposed_provenance_mut(address as usize)
}

/// A size or distance of the process's own memory.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the lab runs on x86-64 only: usize has 64 bits"
)]
pub(crate) const fn size(bytes: u64) -> usize {
    bytes as usize
}
