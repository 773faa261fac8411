//! Checked access to memory the driver points the model to.
#![expect(unsafe_code, reason = "copies between the lab's memory and the driver's, after checking the range")]

use std::ptr;

use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::region;

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
        region::describe(self.address).map(|text| format!(" ({text})")).unwrap_or_default()
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
        unsafe { ptr::write_bytes(ptr::with_exposed_provenance_mut::<u8>(address as usize), byte, length) };
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
    let what = if write { "writable memory of the driver" } else { "memory of the driver" };
    Err(BadAddress { address, length, what })
}

/// Copies one aligned word in one access, so that no other thread sees half of it.
macro_rules! word {
    ($type:ty, $address:expr) => {
        ptr::with_exposed_provenance_mut::<$type>($address as usize)
    };
}

fn copy_from(address: u64, buffer: &mut [u8]) {
    let aligned = buffer.len().is_power_of_two() && address % buffer.len() as u64 == 0;
    match buffer {
        [a, b] if aligned => {
            // SAFETY: the caller checked the range; aligned.
            [*a, *b] = unsafe { word!(u16, address).read_volatile() }.to_le_bytes();
        }
        [a, b, c, d] if aligned => {
            // SAFETY: as above.
            [*a, *b, *c, *d] = unsafe { word!(u32, address).read_volatile() }.to_le_bytes();
        }
        [a, b, c, d, e, f, g, h] if aligned => {
            // SAFETY: as above.
            [*a, *b, *c, *d, *e, *f, *g, *h] = unsafe { word!(u64, address).read_volatile() }.to_le_bytes();
        }
        _ => {
            // SAFETY: the caller checked the range; it is foreign memory and cannot overlap the buffer.
            unsafe { ptr::copy_nonoverlapping(word!(u8, address), buffer.as_mut_ptr(), buffer.len()) };
        }
    }
}

fn copy_to(address: u64, data: &[u8]) {
    let aligned = data.len().is_power_of_two() && address % data.len() as u64 == 0;
    match *data {
        [a, b] if aligned => {
            // SAFETY: as in `copy_from`.
            unsafe { word!(u16, address).write_volatile(u16::from_le_bytes([a, b])) };
        }
        [a, b, c, d] if aligned => {
            // SAFETY: as in `copy_from`.
            unsafe { word!(u32, address).write_volatile(u32::from_le_bytes([a, b, c, d])) };
        }
        [a, b, c, d, e, f, g, h] if aligned => {
            // SAFETY: as in `copy_from`.
            unsafe { word!(u64, address).write_volatile(u64::from_le_bytes([a, b, c, d, e, f, g, h])) };
        }
        _ => {
            // SAFETY: as in `copy_from`.
            unsafe { ptr::copy_nonoverlapping(data.as_ptr(), word!(u8, address), data.len()) };
        }
    }
}
