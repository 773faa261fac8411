//! Ports.
//!
//! On x64 free builds the kit's header makes each of these a macro over the instruction, so that bindgen finds no
//! function there; storport.sys exports them all the same, for checked builds. They are declared here.

use wdk_sys::PVOID;

macro_rules! accessors {
    ($($unit:ty: $read:ident, $write:ident, $read_buffer:ident, $write_buffer:ident;)+) => {
        unsafe extern "C" {
            $(
                pub(crate) fn $read(extension: PVOID, port: *mut $unit) -> $unit;
                pub(crate) fn $write(extension: PVOID, port: *mut $unit, value: $unit);
                pub(crate) fn $read_buffer(extension: PVOID, port: *mut $unit, buffer: *mut $unit, count: u32);
                pub(crate) fn $write_buffer(extension: PVOID, port: *mut $unit, buffer: *mut $unit, count: u32);
            )+
        }
    };
}

accessors! {
    u8: StorPortReadPortUchar, StorPortWritePortUchar, StorPortReadPortBufferUchar, StorPortWritePortBufferUchar;
    u16: StorPortReadPortUshort, StorPortWritePortUshort, StorPortReadPortBufferUshort, StorPortWritePortBufferUshort;
    u32: StorPortReadPortUlong, StorPortWritePortUlong, StorPortReadPortBufferUlong, StorPortWritePortBufferUlong;
}
