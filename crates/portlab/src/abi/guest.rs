//! Reading and writing the driver's memory.
//!
//! Guest addresses are addresses of this very process: the driver runs in it, with the powers a kernel driver
//! has. The model believes a pointer exactly as far as Windows would; a pointer to nowhere faults, and the
//! lab's fault hook reports the guard page or the wild access (see [`crate::trap`]).
#![expect(
    unsafe_code,
    reason = "the driver's memory is raw memory at addresses the driver chooses"
)]

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes};

use super::GuestAddress;

fn pointer(address: GuestAddress) -> *mut u8 {
    std::ptr::with_exposed_provenance_mut(usize::try_from(address).unwrap_or(0))
}

/// Copies guest memory at `address` into `out`.
pub fn read_bytes(address: GuestAddress, out: &mut [u8]) {
    let source = pointer(address).cast_const();
    // SAFETY: the driver vouches for the source as it would to the kernel (a bad one faults into the lab's
    // hook); `out` is ours and cannot overlap memory of the driver.
    unsafe { std::ptr::copy_nonoverlapping(source, out.as_mut_ptr(), out.len()) };
}

/// Copies `data` to guest memory at `address`.
pub fn write_bytes(address: GuestAddress, data: &[u8]) {
    let target = pointer(address);
    // SAFETY: as for `read_bytes`, with the roles exchanged.
    unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), target, data.len()) };
}

/// Fills `length` bytes of guest memory.
pub fn fill(address: GuestAddress, length: usize, byte: u8) {
    let target = pointer(address);
    // SAFETY: as for `write_bytes`.
    unsafe { std::ptr::write_bytes(target, byte, length) };
}

/// Reads a structure.
#[must_use]
pub fn read<T: FromBytes + IntoBytes>(address: GuestAddress) -> T {
    let mut value = T::new_zeroed();
    read_bytes(address, value.as_mut_bytes());
    value
}

/// Writes a structure.
pub fn write<T: IntoBytes + Immutable>(address: GuestAddress, value: &T) {
    write_bytes(address, value.as_bytes());
}

/// Reads a NUL-terminated string of at most `limit` bytes; bytes outside ASCII are replaced.
#[must_use]
pub fn read_c_string(address: GuestAddress, limit: usize) -> String {
    let mut text = String::new();
    if address == 0 {
        return text;
    }
    for offset in 0..limit {
        let byte: u8 = read(address.wrapping_add(offset as u64));
        if byte == 0 {
            break;
        }
        text.push(if byte.is_ascii() {
            char::from(byte)
        } else {
            char::REPLACEMENT_CHARACTER
        });
    }
    text
}

/// Reads a NUL-terminated UTF-16 string of at most `limit` units.
#[must_use]
pub fn read_wide_string(address: GuestAddress, limit: usize) -> String {
    let mut units = Vec::new();
    if address != 0 {
        for index in 0..limit {
            let unit: u16 = read(address.wrapping_add(2 * index as u64));
            if unit == 0 {
                break;
            }
            units.push(unit);
        }
    }
    String::from_utf16_lossy(&units)
}

/// Whether every byte of the range equals `byte`.
#[must_use]
pub fn is_filled_with(address: GuestAddress, length: usize, byte: u8) -> bool {
    first_difference(address, length, byte).is_none()
}

/// Offset of the first byte of the range that differs from `byte`.
#[must_use]
pub fn first_difference(address: GuestAddress, length: usize, byte: u8) -> Option<usize> {
    let mut chunk = [0_u8; 256];
    let mut offset = 0;
    while offset < length {
        let count = chunk.len().min(length - offset);
        let part = &mut chunk[..count];
        read_bytes(address.wrapping_add(offset as u64), part);
        if let Some(position) = part.iter().position(|&b| b != byte) {
            return Some(offset + position);
        }
        offset += count;
    }
    None
}

/// A zeroed value of a guest structure.
#[must_use]
pub fn zeroed<T: FromZeros>() -> T {
    T::new_zeroed()
}
