//! Device registers: `StorPortGetDeviceBase`, and what `StorPortReadRegister*` and `StorPortWriteRegister*` do.

use core::{marker::PhantomData, ptr::NonNull};

use wdk_sys::{
    ACCESS_RANGE, PVOID,
    storage::{StorPortFreeDeviceBase, StorPortGetDeviceBase},
};

use crate::{ffi, find_adapter::FindAdapter, miniport::Miniport};

/// A mapped range of device registers.
///
/// Accesses are volatile, as the register macros of storport.h are on x64, with a store fence before each write.
/// An access outside the range, or one that is not aligned to its width, reads as all ones and writes nothing, as a bus does.
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

/// The accessors of one width.
macro_rules! accessors {
    ($($unit:ty: $read:ident, $write:ident, $read_buffer:ident, $write_buffer:ident, $bits:literal;)+) => {
        $(
            #[doc = concat!("Reads ", $bits, " bits at `offset`, in one access.")]
            #[must_use]
            pub fn $read(&self, offset: u32) -> $unit {
                let Some(register) = self.at::<$unit>(offset) else {
                    return <$unit>::MAX;
                };
                // SAFETY: the register is mapped and the access aligned.
                unsafe { register.read_volatile() }
            }

            #[doc = concat!("Writes ", $bits, " bits at `offset`, in one access.")]
            pub fn $write(&self, offset: u32, value: $unit) {
                if let Some(register) = self.at::<$unit>(offset) {
                    store_fence();
                    // SAFETY: the register is mapped and the access aligned.
                    unsafe { register.write_volatile(value) };
                }
            }

            #[doc = concat!("Reads consecutive registers of ", $bits, " bits from `offset` on.")]
            pub fn $read_buffer(&self, offset: u32, buffer: &mut [$unit]) {
                for (offset, value) in (offset..).step_by(size_of::<$unit>()).zip(buffer) {
                    *value = self.$read(offset);
                }
            }

            #[doc = concat!("Writes consecutive registers of ", $bits, " bits from `offset` on.")]
            pub fn $write_buffer(&self, offset: u32, buffer: &[$unit]) {
                for (offset, value) in (offset..).step_by(size_of::<$unit>()).zip(buffer) {
                    self.$write(offset, *value);
                }
            }
        )+
    };
}

impl<'dev> Registers<'dev> {
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

    /// The register of 32 bits at `offset`, for many writes: what is asked once is not asked at each. `None` outside the
    /// range, or if it is not aligned.
    #[must_use]
    pub fn register32(&self, offset: u32) -> Option<Register32<'dev>> {
        Some(Register32 {
            place: NonNull::new(self.at::<u32>(offset)?)?,
            device: PhantomData,
        })
    }

    accessors! {
        u8: read8, write8, read_buffer8, write_buffer8, "8";
        u16: read16, write16, read_buffer16, write_buffer16, "16";
        u32: read32, write32, read_buffer32, write_buffer32, "32";
        u64: read64, write64, read_buffer64, write_buffer64, "64";
    }
}

/// One mapped register of 32 bits.
#[derive(Clone, Copy)]
pub struct Register32<'dev> {
    place: NonNull<u32>,
    device: PhantomData<&'dev mut &'dev ()>,
}

// SAFETY: as for `Registers`.
unsafe impl Send for Register32<'_> {}
// SAFETY: as for `Registers`.
unsafe impl Sync for Register32<'_> {}

impl Register32<'_> {
    /// Writes it, in one access, after a store fence.
    #[inline]
    pub fn write(&self, value: u32) {
        store_fence();
        // SAFETY: the register is mapped and the access aligned.
        unsafe { self.place.write_volatile(value) };
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

/// Where an access range lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Space {
    /// In memory: [`FindAdapter::map_registers`].
    Memory,
    /// In the I/O space: [`FindAdapter::map_ports`](crate::find_adapter::FindAdapter::map_ports).
    Ports,
}

impl<'dev, M: Miniport> FindAdapter<'_, 'dev, M> {
    /// Space and length of access range `index`, as the port driver assigned it; `None` if there is none.
    #[must_use]
    pub fn access_range(&self, index: usize) -> Option<(Space, u32)> {
        let range = self.range(index)?;
        let space = if range.RangeInMemory == 0 {
            Space::Ports
        } else {
            Space::Memory
        };
        Some((space, range.RangeLength))
    }

    fn range(&self, index: usize) -> Option<ACCESS_RANGE> {
        let configuration = self.configuration();
        if index >= configuration.NumberOfAccessRanges as usize {
            return None;
        }
        let ranges = NonNull::new(configuration.AccessRanges.cast::<ACCESS_RANGE>())?;
        // SAFETY: the port driver provides NumberOfAccessRanges elements.
        let range = unsafe { ranges.add(index) };
        // SAFETY: as above.
        let range = unsafe { range.read() };
        (range.RangeLength != 0).then_some(range)
    }

    /// Translates access range `index` (`StorPortGetDeviceBase`) if it lies in `space`.
    pub(crate) fn device_base(&self, index: usize, space: Space) -> Option<(NonNull<u8>, u32)> {
        let range = self.range(index)?;
        if (range.RangeInMemory == 0) != (space == Space::Ports) {
            return None;
        }
        let configuration = self.configuration();
        // SAFETY: the range is the one that the port driver assigned.
        let base = unsafe {
            StorPortGetDeviceBase(
                self.raw(),
                configuration.AdapterInterfaceType,
                configuration.SystemIoBusNumber,
                range.RangeStart,
                range.RangeLength,
                ffi::boolean(space == Space::Ports),
            )
        };
        Some((NonNull::new(base.cast::<u8>())?, range.RangeLength))
    }

    /// Maps access range `index` (`StorPortGetDeviceBase`) until the adapter is removed; `None` if there is no such
    /// memory range, or no mapping.
    #[must_use]
    pub fn map_registers(&self, index: usize) -> Option<Registers<'dev>> {
        let (base, length) = self.device_base(index, Space::Memory)?;
        // SAFETY: the mapping has that length and lasts until the adapter is removed.
        Some(unsafe { Registers::new(base, length) })
    }

    /// Maps access range `index`, runs `f` on it, and unmaps it (`StorPortGetDeviceBase`, `StorPortFreeDeviceBase`): for
    /// registers that are needed in `HwStorFindAdapter` only.
    pub fn with_registers<R>(&self, index: usize, f: impl for<'a> FnOnce(Registers<'a>) -> R) -> Option<R> {
        let (base, length) = self.device_base(index, Space::Memory)?;
        // SAFETY: the mapping has that length and lasts until it is freed below; `f` cannot keep it, as its lifetime is any.
        let result = f(unsafe { Registers::new(base, length) });
        let mapped: PVOID = base.as_ptr().cast();
        // SAFETY: HwStorFindAdapter is running; the mapping is the one made above, and nobody uses it any more.
        unsafe { StorPortFreeDeviceBase(self.raw(), mapped) };
        Some(result)
    }
}
