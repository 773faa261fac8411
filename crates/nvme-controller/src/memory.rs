//! The host's memory as the controller reaches it.

use std::sync::{Mutex, PoisonError};

/// An access to bus addresses that are not memory of the host's for this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{length} bytes at bus address {address:#x} are not memory that the device may reach")]
pub struct OutOfRange {
    /// Bus address.
    pub address: u64,
    /// Length in bytes.
    pub length: usize,
}

/// Memory that the controller reads and writes by bus address.
pub trait Memory {
    /// Reads.
    ///
    /// # Errors
    /// If any byte is not the device's to reach; `buffer` is unspecified then.
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), OutOfRange>;

    /// Writes.
    ///
    /// # Errors
    /// If any byte is not the device's to reach; nothing is written then.
    fn write(&self, address: u64, data: &[u8]) -> Result<(), OutOfRange>;

    /// Writes an aligned dword so that who sees it sees everything written before.
    ///
    /// # Errors
    /// As [`Memory::write`].
    fn publish(&self, address: u64, dword: u32) -> Result<(), OutOfRange> {
        self.write(address, &dword.to_le_bytes())
    }
}

/// Memory in a vector, for tests: bus addresses begin at `base`.
#[derive(Debug)]
pub struct Flat {
    base: u64,
    bytes: Mutex<Vec<u8>>,
}

impl Flat {
    /// `length` bytes of zeroes from bus address `base`.
    #[must_use]
    pub fn new(base: u64, length: usize) -> Self {
        Self {
            base,
            bytes: Mutex::new(vec![0; length]),
        }
    }

    fn range(&self, address: u64, length: usize, total: usize) -> Result<std::ops::Range<usize>, OutOfRange> {
        let outside = OutOfRange { address, length };
        let start = address.checked_sub(self.base).ok_or(outside)?;
        let start = usize::try_from(start).map_err(|_| outside)?;
        let end = start
            .checked_add(length)
            .filter(|end| *end <= total)
            .ok_or(outside)?;
        Ok(start..end)
    }
}

impl Memory for Flat {
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), OutOfRange> {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let range = self.range(address, buffer.len(), bytes.len())?;
        buffer.copy_from_slice(&bytes[range]);
        Ok(())
    }

    fn write(&self, address: u64, data: &[u8]) -> Result<(), OutOfRange> {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let range = self.range(address, data.len(), bytes.len())?;
        bytes[range].copy_from_slice(data);
        Ok(())
    }
}
