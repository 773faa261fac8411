//! How requests end.

use core::{ffi::c_void, mem::offset_of, ptr::NonNull};

use wdk_sys::{SCSI_REQUEST_BLOCK, STORAGE_REQUEST_BLOCK};

use super::{
    function::{AUTOSENSE_VALID, SrbStatus},
    view::View,
};
use crate::ffi;

/// What goes with `SRB_STATUS_INTERNAL_ERROR`.
const STATUS_INTERNAL_ERROR: u32 = 0xC000_00E5;
/// `SRB_STATUS_BUSY`: the port driver tries again.
const SRB_STATUS_BUSY: u8 = 0x05;

/// How a request ends.
#[derive(Debug, Clone, Copy)]
pub enum Completion<'a> {
    /// Success; with the number of bytes that were transferred.
    Success {
        /// Bytes transferred; never more than asked for.
        transferred: u32,
    },
    /// Success of all that was asked for, of a SCSI request that
    /// [`Preparing::begin_usual`](super::Preparing::begin_usual) has given the status GOOD: nothing but `SrbStatus` is written.
    Whole,
    /// A SCSI status other than GOOD, with sense data if there is any: `SRB_STATUS_ERROR`, and
    /// `SRB_STATUS_AUTOSENSE_VALID` if the sense data was stored: there was room, and the request did not set
    /// `SRB_FLAGS_DISABLE_AUTOSENSE`.
    Scsi {
        /// SCSI status.
        status: u8,
        /// Sense data.
        sense: &'a [u8],
    },
    /// Any other status.
    Status(SrbStatus),
}

/// Writes the outcome and gives the SRB back to the port driver.
#[inline]
pub(super) fn finish(view: View, extension: *mut c_void, completion: Completion<'_>) {
    record(view, completion);
    // SAFETY: the caller gave the SRB up; its status is set.
    unsafe { ffi::request_complete(extension, view.pointer().cast()) };
}

/// As [`finish`] with [`Completion::Whole`], whichever form the SRB has.
///
/// # Safety
/// `srb` is an SRB of the adapter of `extension` that the caller owns and gives up.
#[inline]
pub(super) unsafe fn finish_whole(srb: NonNull<SCSI_REQUEST_BLOCK>, extension: *mut c_void) {
    const {
        assert!(offset_of!(SCSI_REQUEST_BLOCK, SrbStatus) == offset_of!(STORAGE_REQUEST_BLOCK, SrbStatus));
    }
    // SAFETY: both forms keep SrbStatus at the same place; the SRB is the caller's.
    unsafe { (*srb.as_ptr()).SrbStatus = SrbStatus::Success as u8 };
    // SAFETY: the caller gives the SRB up; its status is set.
    unsafe { ffi::request_complete(extension, srb.as_ptr()) };
}

/// Writes the outcome.
#[inline]
pub(super) fn record(view: View, completion: Completion<'_>) {
    if let Completion::Whole = completion {
        view.set_srb_status(SrbStatus::Success as u8);
    } else {
        record_other(view, completion);
    }
}

#[cold]
#[inline(never)]
fn record_other(view: View, completion: Completion<'_>) {
    match completion {
        Completion::Whole => view.set_srb_status(SrbStatus::Success as u8),
        Completion::Success { transferred } => {
            view.set_data_transfer_length(transferred.min(view.data_transfer_length()));
            if view.executes_scsi() {
                view.set_scsi_status(0);
            }
            view.set_srb_status(SrbStatus::Success as u8);
        }
        Completion::Scsi { status, sense } => {
            let stored = view.set_sense(sense);
            view.set_scsi_status(status);
            view.set_data_transfer_length(0);
            let flag = if stored { AUTOSENSE_VALID } else { 0 };
            view.set_srb_status(SrbStatus::Error as u8 | flag);
        }
        Completion::Status(status) => {
            if status == SrbStatus::InternalError {
                view.set_internal_status(STATUS_INTERNAL_ERROR);
            }
            view.set_data_transfer_length(0);
            view.set_srb_status(status as u8);
        }
    }
}

/// Completes the removal SRB that the rundown held.
///
/// # Safety
/// `srb` is the SRB that was held, `extension` its adapter's device extension.
pub(crate) unsafe fn complete_held(extension: *mut c_void, srb: *mut u8) {
    // SAFETY: the caller's promise.
    if let Some(view) = unsafe { View::new(srb.cast()) } {
        finish(view, extension, Completion::Success { transferred: 0 });
    }
}

/// Completes an SRB that has no readable form.
///
/// # Safety
/// `srb` is an SRB that the port driver handed to the miniport.
pub(crate) unsafe fn complete_malformed(extension: *mut c_void, srb: *mut c_void) {
    let Some(srb) = NonNull::new(srb.cast::<SCSI_REQUEST_BLOCK>()) else {
        return;
    };
    // SAFETY: both forms keep SrbStatus at the same place.
    unsafe { (*srb.as_ptr()).SrbStatus = SrbStatus::InvalidRequest as u8 };
    // SAFETY: the SRB is ours until here.
    unsafe { ffi::request_complete(extension, srb.as_ptr()) };
}

/// Gives an SRB back with `SRB_STATUS_BUSY`: the request comes again, so that `DataTransferLength` stays as it is.
pub(super) fn refuse(view: View, extension: *mut c_void) {
    view.set_srb_status(SRB_STATUS_BUSY);
    // SAFETY: the caller gave the SRB up; its status is set.
    unsafe { ffi::request_complete(extension, view.pointer().cast()) };
}
