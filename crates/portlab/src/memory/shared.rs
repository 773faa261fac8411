//! Memory shared with a device, as the device itself sees it: all of it, by offset.
#![expect(unsafe_code, reason = "copies within a mapping of its own")]

use std::{
    io,
    os::fd::BorrowedFd,
    ptr,
    sync::atomic::{AtomicU32, Ordering, fence},
};

use super::{pointer, reservation::Reservation, size};

/// A mapping of the memory that a device in this process shares with the driver.
///
/// It is the device's view: the driver's own views of the same pages are guarded and come and go, this one stays.
/// The driver may change the memory at any time, so bytes are copied out once and never borrowed.
#[derive(Debug)]
pub struct SharedMemory {
    pages: Reservation,
    length: usize,
}

impl SharedMemory {
    /// Maps `length` bytes of `file` from `offset` on.
    ///
    /// # Errors
    /// If the memory cannot be mapped.
    pub fn new(file: BorrowedFd<'_>, offset: u64, length: u64) -> io::Result<Self> {
        let length = size(length);
        let pages = Reservation::new(length, None)?;
        pages.map_shared(pages.base(), length, file, offset)?;
        Ok(Self { pages, length })
    }

    /// Length in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The address of `length` bytes at `offset`, if they lie in the memory.
    fn place(&self, offset: u64, length: usize) -> Option<u64> {
        let end = offset.checked_add(length as u64)?;
        (end <= self.length as u64).then(|| self.pages.base() + offset)
    }

    /// Copies out; false, and nothing, if the range does not lie in the memory.
    #[must_use]
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> bool {
        let Some(address) = self.place(offset, buffer.len()) else {
            return false;
        };
        // What was published before a doorbell was seen is seen after it.
        fence(Ordering::Acquire);
        // SAFETY: the range lies in the mapping, which lives as long as `self`; the buffer is the lab's own memory.
        unsafe { ptr::copy_nonoverlapping(pointer::<u8>(address), buffer.as_mut_ptr(), buffer.len()) };
        true
    }

    /// Copies in; false, and nothing, if the range does not lie in the memory.
    #[must_use]
    pub fn write(&self, offset: u64, data: &[u8]) -> bool {
        let Some(address) = self.place(offset, data.len()) else {
            return false;
        };
        // SAFETY: as in `read`.
        unsafe { ptr::copy_nonoverlapping(data.as_ptr(), pointer::<u8>(address), data.len()) };
        true
    }

    /// Writes an aligned dword that shows everything written before it; false, and nothing, if it does not lie in the
    /// memory or is not aligned.
    #[must_use]
    pub fn publish(&self, offset: u64, dword: u32) -> bool {
        let Some(address) = self.place(offset, 4).filter(|address| address.is_multiple_of(4)) else {
            return false;
        };
        // SAFETY: in the mapping and aligned; every other access of the lab to it in this process is a copy, and the
        // driver's are volatile.
        let place = unsafe { AtomicU32::from_ptr(pointer::<u32>(address)) };
        place.store(dword.to_le(), Ordering::Release);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn two_views_show_the_same_bytes_and_nothing_beyond() {
        let file = tempfile::tempfile().expect("a file");
        file.set_len(16384).expect("length");
        let whole = SharedMemory::new(file.as_fd(), 0, 16384).expect("mapped");
        let half = SharedMemory::new(file.as_fd(), 8192, 8192).expect("mapped");
        assert!(whole.write(8192 + 100, b"ferro") && whole.publish(8192 + 96, 7));
        let mut read = [0; 9];
        assert!(half.read(96, &mut read));
        assert_eq!(&read, b"\x07\0\0\0ferro");
        assert!(!half.read(8190, &mut [0; 3]) && !half.write(u64::MAX, &[1]));
        assert!(
            !half.publish(8190, 1) && !half.publish(2, 1),
            "unaligned, or beyond"
        );
        assert_eq!((half.len(), half.is_empty()), (8192, false));
    }
}
