//! Addresses of logical units, as the DDI takes them.

use core::ptr;

use wdk_sys::{STOR_ADDR_BTL8, STOR_ADDRESS};

use crate::srb::Address;

/// `STOR_ADDRESS_TYPE_BTL8`.
const TYPE_BTL8: u16 = 1;
/// `STOR_ADDR_BTL8_ADDRESS_LENGTH`.
const LENGTH_BTL8: u32 = 4;

/// The address of a logical unit, or none: then the adapter is meant, and the pointer is NULL.
pub(crate) struct Place(Option<STOR_ADDR_BTL8>);

impl Place {
    pub(crate) fn new(unit: Option<Address>) -> Self {
        Self(unit.map(|unit| STOR_ADDR_BTL8 {
            Type: TYPE_BTL8,
            AddressLength: LENGTH_BTL8,
            Path: unit.path,
            Target: unit.target,
            Lun: unit.lun,
            ..Default::default()
        }))
    }

    /// Valid as long as `self` stays where it is.
    pub(crate) fn pointer(&mut self) -> *mut STOR_ADDRESS {
        self.0
            .as_mut()
            .map_or(ptr::null_mut(), |address| ptr::from_mut(address).cast())
    }

    /// The port number that a call has written.
    pub(crate) fn port(&self) -> Option<u16> {
        self.0.as_ref().map(|address| address.Port)
    }
}
