//! I/O ports: `StorPortGetDeviceBase` for the I/O space, `StorPortReadPort*`, `StorPortWritePort*`.

use core::{marker::PhantomData, ptr::NonNull};

use wdk_sys::PVOID;

use crate::{ffi::bus, find_adapter::FindAdapter, miniport::Miniport, register::Space};

/// A range of the device's ports.
///
/// An access outside the range, or one that is not aligned to its width, reads as all ones and writes nothing, as a bus does.
#[derive(Clone, Copy)]
pub struct Ports<'dev> {
    extension: PVOID,
    base: NonNull<u8>,
    length: u32,
    device: PhantomData<&'dev mut &'dev ()>,
}

// SAFETY: ports may be accessed from every processor; each access is one bus transaction.
unsafe impl Send for Ports<'_> {}
// SAFETY: as above.
unsafe impl Sync for Ports<'_> {}

/// The accessors of one width.
macro_rules! accessors {
    ($($unit:ty: $read:ident = $read_call:ident, $write:ident = $write_call:ident, $read_buffer:ident = $read_buffer_call:ident,
        $write_buffer:ident = $write_buffer_call:ident, $bits:literal;)+) => {
        $(
            #[doc = concat!("Reads ", $bits, " bits from the port at `offset` (`", stringify!($read_call), "`).")]
            #[must_use]
            pub fn $read(&self, offset: u32) -> $unit {
                let Some(port) = self.at::<$unit>(offset) else {
                    return <$unit>::MAX;
                };
                // SAFETY: the port is the device's and aligned; the adapter lives.
                unsafe { bus::$read_call(self.extension, port) }
            }

            #[doc = concat!("Writes ", $bits, " bits to the port at `offset` (`", stringify!($write_call), "`).")]
            pub fn $write(&self, offset: u32, value: $unit) {
                if let Some(port) = self.at::<$unit>(offset) {
                    // SAFETY: the port is the device's and aligned; the adapter lives.
                    unsafe { bus::$write_call(self.extension, port, value) };
                }
            }

            #[doc = concat!("Reads the one port of ", $bits, " bits at `offset` again and again (`", stringify!($read_buffer_call),
                "`). False, and nothing is read, if there is no such port.")]
            pub fn $read_buffer(&self, offset: u32, buffer: &mut [$unit]) -> bool {
                let (Some(port), Ok(count)) = (self.at::<$unit>(offset), u32::try_from(buffer.len())) else {
                    return false;
                };
                // SAFETY: the port is the device's and aligned; the buffer has `count` elements.
                unsafe { bus::$read_buffer_call(self.extension, port, buffer.as_mut_ptr(), count) };
                true
            }

            #[doc = concat!("Writes to the one port of ", $bits, " bits at `offset` again and again (`", stringify!($write_buffer_call),
                "`). False, and nothing is written, if there is no such port.")]
            pub fn $write_buffer(&self, offset: u32, buffer: &[$unit]) -> bool {
                let (Some(port), Ok(count)) = (self.at::<$unit>(offset), u32::try_from(buffer.len())) else {
                    return false;
                };
                // SAFETY: the port is the device's and aligned; the call only reads the buffer's `count` elements.
                unsafe { bus::$write_buffer_call(self.extension, port, buffer.as_ptr().cast_mut(), count) };
                true
            }
        )+
    };
}

impl Ports<'_> {
    /// Length of the range in bytes.
    #[must_use]
    pub fn length(&self) -> u32 {
        self.length
    }

    /// The port's number as the DDI passes it: in a pointer.
    fn at<T>(&self, offset: u32) -> Option<*mut T> {
        let size = u32::try_from(size_of::<T>()).ok()?;
        if offset.checked_add(size)? > self.length || offset & size.wrapping_sub(1) != 0 {
            return None;
        }
        Some(self.base.as_ptr().wrapping_add(offset as usize).cast())
    }

    accessors! {
        u8: read8 = StorPortReadPortUchar, write8 = StorPortWritePortUchar,
            read_buffer8 = StorPortReadPortBufferUchar, write_buffer8 = StorPortWritePortBufferUchar, "8";
        u16: read16 = StorPortReadPortUshort, write16 = StorPortWritePortUshort,
            read_buffer16 = StorPortReadPortBufferUshort, write_buffer16 = StorPortWritePortBufferUshort, "16";
        u32: read32 = StorPortReadPortUlong, write32 = StorPortWritePortUlong,
            read_buffer32 = StorPortReadPortBufferUlong, write_buffer32 = StorPortWritePortBufferUlong, "32";
    }
}

impl<'dev, M: Miniport> FindAdapter<'_, 'dev, M> {
    /// Translates access range `index` in the I/O space (`StorPortGetDeviceBase`); `None` if there is no such range of ports.
    #[must_use]
    pub fn map_ports(&self, index: usize) -> Option<Ports<'dev>> {
        let (base, length) = self.device_base(index, Space::Ports)?;
        Some(Ports {
            extension: self.raw(),
            base,
            length,
            device: PhantomData,
        })
    }
}
