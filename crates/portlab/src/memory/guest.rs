//! Checked access to memory the driver points the model to.
#![expect(
    unsafe_code,
    reason = "copies between the lab's memory and the driver's, after checking the range"
)]

use std::ptr;

use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::{pointer, region};

/// The range is no memory that the driver could point to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{length} bytes at {address:#x} are not {what}{}", self.context())]
pub struct BadAddress {
    /// Where.
    pub address: u64,
    /// How much.
    pub length: usize,
    /// What it should have been: readable or writable memory.
    pub what: &'static str,
}

impl BadAddress {
    fn context(&self) -> String {
        region::describe(self.address)
            .map(|text| format!(" ({text})"))
            .unwrap_or_default()
    }
}

/// Reads and writes memory of the driver: live objects of the arenas, loaded images, stacks of prepared threads
/// and what else was declared by a [`super::KnownRegion`].
///
/// Copies are made byte by byte or in machine words, volatile: the driver and the device may change the memory
/// meanwhile. An object that another thread frees during the copy can still fault; the fault names it.
#[derive(Debug, Clone, Copy)]
pub struct GuestMemory;

impl GuestMemory {
    /// Copies from the driver's memory.
    ///
    /// # Errors
    /// If the range is not readable memory of the driver; nothing is copied then.
    pub fn read(address: u64, buffer: &mut [u8]) -> Result<(), BadAddress> {
        check(address, buffer.len(), false)?;
        copy_from(address, buffer);
        Ok(())
    }

    /// Copies into the driver's memory.
    ///
    /// # Errors
    /// If the range is not writable memory of the driver; nothing is copied then.
    pub fn write(address: u64, data: &[u8]) -> Result<(), BadAddress> {
        check(address, data.len(), true)?;
        copy_to(address, data);
        Ok(())
    }

    /// Reads a plain value.
    ///
    /// # Errors
    /// As [`GuestMemory::read`].
    pub fn read_pod<T: FromBytes + IntoBytes>(address: u64) -> Result<T, BadAddress> {
        let mut value = T::new_zeroed();
        Self::read(address, value.as_mut_bytes())?;
        Ok(value)
    }

    /// Writes a plain value.
    ///
    /// # Errors
    /// As [`GuestMemory::write`].
    pub fn write_pod<T: IntoBytes + Immutable>(address: u64, value: &T) -> Result<(), BadAddress> {
        Self::write(address, value.as_bytes())
    }

    /// Fills with one byte.
    ///
    /// # Errors
    /// As [`GuestMemory::write`].
    pub fn fill(address: u64, length: usize, byte: u8) -> Result<(), BadAddress> {
        check(address, length, true)?;
        // SAFETY: the range was just found to be writable memory of the driver.
        unsafe { ptr::write_bytes(pointer::<u8>(address), byte, length) };
        Ok(())
    }

    /// Whether the whole range is memory of the driver, and writable if asked.
    #[must_use]
    pub fn is_valid(address: u64, length: usize, write: bool) -> bool {
        length == 0 || region::allows(address, length, write)
    }
}

fn check(address: u64, length: usize, write: bool) -> Result<(), BadAddress> {
    if GuestMemory::is_valid(address, length, write) {
        return Ok(());
    }
    let what = if write {
        "writable memory of the driver"
    } else {
        "memory of the driver"
    };
    Err(BadAddress {
        address,
        length,
        what,
    })
}

/// Aligned words are copied in one access, so that no other thread sees half of one.
fn copy_from(address: u64, buffer: &mut [u8]) {
    let aligned = !buffer.is_empty() && address.is_multiple_of(buffer.len() as u64);
    if aligned && let Ok(bytes) = <&mut [u8; 2]>::try_from(&mut *buffer) {
        // SAFETY: the caller checked the range; aligned.
        *bytes = unsafe { pointer::<u16>(address).read_volatile() }.to_le_bytes();
    } else if aligned && let Ok(bytes) = <&mut [u8; 4]>::try_from(&mut *buffer) {
        // SAFETY: as above.
        *bytes = unsafe { pointer::<u32>(address).read_volatile() }.to_le_bytes();
    } else if aligned && let Ok(bytes) = <&mut [u8; 8]>::try_from(&mut *buffer) {
        // SAFETY: as above.
        *bytes = unsafe { pointer::<u64>(address).read_volatile() }.to_le_bytes();
    } else {
        // SAFETY: the caller checked the range; it is foreign memory and cannot overlap the buffer.
        unsafe { ptr::copy_nonoverlapping(pointer::<u8>(address), buffer.as_mut_ptr(), buffer.len()) };
    }
}

fn copy_to(address: u64, data: &[u8]) {
    let aligned = !data.is_empty() && address.is_multiple_of(data.len() as u64);
    if aligned && let Ok(bytes) = <[u8; 2]>::try_from(data) {
        // SAFETY: the caller checked the range; aligned.
        unsafe { pointer::<u16>(address).write_volatile(u16::from_le_bytes(bytes)) };
    } else if aligned && let Ok(bytes) = <[u8; 4]>::try_from(data) {
        // SAFETY: as above.
        unsafe { pointer::<u32>(address).write_volatile(u32::from_le_bytes(bytes)) };
    } else if aligned && let Ok(bytes) = <[u8; 8]>::try_from(data) {
        // SAFETY: as above.
        unsafe { pointer::<u64>(address).write_volatile(u64::from_le_bytes(bytes)) };
    } else {
        // SAFETY: as in `copy_from`.
        unsafe { ptr::copy_nonoverlapping(data.as_ptr(), pointer::<u8>(address), data.len()) };
    }
}
