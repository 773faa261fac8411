//! The classic request blocks that are laid out unlike `SCSI_REQUEST_BLOCK` (srb.h), up to what is read of them.

use core::{ffi::c_void, mem::offset_of};

use wdk_sys::SCSI_REQUEST_BLOCK;

/// `SCSI_PNP_REQUEST_BLOCK`.
#[repr(C)]
pub(super) struct ClassicPnp {
    length: u16,
    function: u8,
    srb_status: u8,
    sub_function: u8,
    path: u8,
    target: u8,
    lun: u8,
    pub(super) action: u32,
    srb_flags: u32,
    data_transfer_length: u32,
    time_out_value: u32,
    data_buffer: *mut c_void,
    sense_info_buffer: *mut c_void,
    next_srb: *mut c_void,
    original_request: *mut c_void,
    srb_extension: *mut c_void,
    pub(super) flags: u32,
}

/// `SCSI_POWER_REQUEST_BLOCK`.
#[repr(C)]
pub(super) struct ClassicPower {
    length: u16,
    function: u8,
    srb_status: u8,
    pub(super) flags: u8,
    path: u8,
    target: u8,
    lun: u8,
    pub(super) state: u32,
    srb_flags: u32,
    data_transfer_length: u32,
    time_out_value: u32,
    data_buffer: *mut c_void,
    sense_info_buffer: *mut c_void,
    next_srb: *mut c_void,
    original_request: *mut c_void,
    srb_extension: *mut c_void,
    pub(super) action: u32,
}

/// `SCSI_WMI_REQUEST_BLOCK`.
#[repr(C)]
pub(super) struct ClassicWmi {
    length: u16,
    function: u8,
    srb_status: u8,
    pub(super) sub_function: u8,
    path: u8,
    target: u8,
    lun: u8,
    reserved: u8,
    pub(super) flags: u8,
}

const _: () = {
    assert!(offset_of!(ClassicPnp, srb_extension) == offset_of!(SCSI_REQUEST_BLOCK, SrbExtension));
    assert!(offset_of!(ClassicPower, srb_extension) == offset_of!(SCSI_REQUEST_BLOCK, SrbExtension));
    assert!(offset_of!(ClassicWmi, lun) == offset_of!(SCSI_REQUEST_BLOCK, Lun));
    assert!(offset_of!(ClassicWmi, flags) == 9);
};
