//! Reading what a control type's parameters point to, and the answer to which types are supported.

use core::ptr::NonNull;

use wdk_sys::{BOOLEAN, PVOID, SCSI_SUPPORTED_CONTROL_TYPE_LIST, STOR_ADDR_BTL8, STOR_ADDRESS};

use super::NotDone;
use crate::{ffi, srb::Address};

/// Copies a parameter block.
///
/// # Safety
/// `parameters` is NULL or points to a `T`.
pub(super) unsafe fn read<T: Copy>(parameters: PVOID) -> Option<T> {
    let block = NonNull::new(parameters.cast::<T>())?;
    // SAFETY: the caller's promise; no alignment is assumed.
    Some(unsafe { block.read_unaligned() })
}

/// Reads the address that a parameter block points to.
///
/// # Safety
/// `address` is NULL or points to a `STOR_ADDRESS` with the bytes that its type has.
pub(super) unsafe fn unit(address: *const STOR_ADDRESS) -> Option<Address> {
    const STOR_ADDRESS_TYPE_BTL8: u16 = 1;
    let address = NonNull::new(address.cast_mut().cast::<STOR_ADDR_BTL8>())?;
    // SAFETY: the caller's promise: every kind of address begins with its type.
    let kind = unsafe { address.cast::<u16>().read_unaligned() };
    if kind != STOR_ADDRESS_TYPE_BTL8 {
        return None;
    }
    // SAFETY: the caller's promise: this kind has these bytes.
    let address = unsafe { address.read_unaligned() };
    Some(Address {
        path: address.Path,
        target: address.Target,
        lun: address.Lun,
    })
}

/// Marks the supported types in a `SCSI_SUPPORTED_CONTROL_TYPE_LIST`.
///
/// # Safety
/// `list` is NULL or a list with room for `MaxControlType` entries.
pub(super) unsafe fn answer_supported(
    list: *mut SCSI_SUPPORTED_CONTROL_TYPE_LIST,
    supported: impl Iterator<Item = u32>,
) -> Result<(), NotDone> {
    let list = NonNull::new(list).ok_or(NotDone)?;
    // SAFETY: the caller's promise.
    let room = unsafe { (*list.as_ptr()).MaxControlType };
    // SAFETY: the entries follow the count.
    let entries = unsafe { &raw mut (*list.as_ptr()).SupportedTypeList }.cast::<BOOLEAN>();
    for number in supported.filter(|number| *number < room) {
        // SAFETY: the entry lies within the list.
        let entry = unsafe { entries.add(number as usize) };
        // SAFETY: as above.
        unsafe { entry.write(ffi::boolean(true)) };
    }
    Ok(())
}

/// A C enumeration's value, whichever sign the header's reading gives it.
pub(super) fn number(value: impl TryInto<u32>) -> u32 {
    value.try_into().unwrap_or(u32::MAX)
}
