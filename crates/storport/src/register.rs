//! Device registers.

use core::{marker::PhantomData, ptr::NonNull};

/// A mapped range of device registers.
///
/// Accesses are volatile, as the register macros of storport.h are on x64, with a store fence before each write.
/// An access outside the range reads as all ones and writes nothing, as a bus does.
#[derive(Clone, Copy)]
pub struct Registers<'dev> {
    base: NonNull<u8>,
    length: u32,
    device: PhantomData<&'dev mut &'dev ()>,
}

// SAFETY: registers may be accessed from every processor; each access is one bus transaction.
unsafe impl Send for Registers<'_> {}
// SAFETY: as above.
unsafe impl Sync for Registers<'_> {}

impl Registers<'_> {
    /// # Safety
    /// `base` maps `length` bytes of registers as long as `'dev`.
    pub(crate) unsafe fn new(base: NonNull<u8>, length: u32) -> Self {
        Self {
            base,
            length,
            device: PhantomData,
        }
    }

    /// Length of the range in bytes.
    #[must_use]
    pub fn length(&self) -> u32 {
        self.length
    }

    fn at<T>(&self, offset: u32) -> Option<*mut T> {
        let size = u32::try_from(size_of::<T>()).ok()?;
        let end = offset.checked_add(size)?;
        if end > self.length || offset & size.wrapping_sub(1) != 0 {
            return None;
        }
        // SAFETY: the access lies within the mapped range.
        Some(unsafe { self.base.as_ptr().add(offset as usize) }.cast())
    }

    /// Reads 32 bits at `offset`.
    #[must_use]
    pub fn read32(&self, offset: u32) -> u32 {
        // SAFETY: the register is mapped and the access aligned.
        self.at::<u32>(offset)
            .map_or(u32::MAX, |register| unsafe { register.read_volatile() })
    }

    /// Reads 64 bits at `offset`, in one access.
    #[must_use]
    pub fn read64(&self, offset: u32) -> u64 {
        // SAFETY: the register is mapped and the access aligned.
        self.at::<u64>(offset)
            .map_or(u64::MAX, |register| unsafe { register.read_volatile() })
    }

    /// Writes 32 bits at `offset`.
    pub fn write32(&self, offset: u32, value: u32) {
        if let Some(register) = self.at::<u32>(offset) {
            store_fence();
            // SAFETY: the register is mapped and the access aligned.
            unsafe { register.write_volatile(value) };
        }
    }

    /// Writes 64 bits at `offset`, in one access.
    pub fn write64(&self, offset: u32, value: u64) {
        if let Some(register) = self.at::<u64>(offset) {
            store_fence();
            // SAFETY: the register is mapped and the access aligned.
            unsafe { register.write_volatile(value) };
        }
    }
}

/// What was stored before is visible to the device before the register is written.
fn store_fence() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE is part of x86-64.
    unsafe {
        core::arch::x86_64::_mm_sfence();
    };
    #[cfg(not(target_arch = "x86_64"))]
    core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst);
}
