//! What a debugger finds by name: the device extensions that are in use.
//!
//! The port driver keeps them where only its own symbols tell. [`ADAPTERS`] is written when an adapter is found and when its
//! removal ends, and never read by the driver: `scripts/windbg/ferro.js` looks it up as `storport::debugger::ADAPTERS`.

use core::{
    ffi::c_void,
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

/// More adapters than this are not listed.
pub const MOST: usize = 16;

/// The device extensions in use.
///
/// # Invariants
/// No pointer here is followed by the driver: what is listed may be gone.
#[derive(Debug)]
#[repr(transparent)]
pub struct Adapters([AtomicPtr<c_void>; MOST]);

/// The list of this image. One for the system as it runs; an image that is loaded for a dump has its own.
#[used]
pub static ADAPTERS: Adapters = Adapters::new();

impl Adapters {
    const fn new() -> Self {
        Self([const { AtomicPtr::new(ptr::null_mut()) }; MOST])
    }

    /// Lists an extension, once; nothing if the list is full.
    pub fn add(&self, extension: *mut c_void) {
        if self
            .0
            .iter()
            .any(|place| place.load(Ordering::Relaxed) == extension)
        {
            return;
        }
        for place in &self.0 {
            if exchange(place, ptr::null_mut(), extension) {
                return;
            }
        }
    }

    /// Takes an extension off the list.
    pub fn remove(&self, extension: *mut c_void) {
        for place in &self.0 {
            exchange(place, extension, ptr::null_mut());
        }
    }
}

fn exchange(place: &AtomicPtr<c_void>, from: *mut c_void, to: *mut c_void) -> bool {
    place
        .compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed)
        .is_ok()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    extern crate std;
    use std::vec::Vec;

    fn listed(adapters: &Adapters) -> Vec<usize> {
        let places = adapters.0.iter();
        let addresses = places.map(|place| place.load(Ordering::Relaxed).addr());
        addresses.filter(|&address| address != 0).collect()
    }

    #[test]
    fn an_extension_is_listed_once_until_it_goes() {
        let adapters = Adapters::new();
        for address in [0x1000, 0x2000, 0x1000] {
            adapters.add(ptr::without_provenance_mut(address));
        }
        assert_eq!(listed(&adapters), [0x1000, 0x2000]);
        adapters.remove(ptr::without_provenance_mut(0x1000));
        adapters.remove(ptr::without_provenance_mut(0x3000));
        assert_eq!(listed(&adapters), [0x2000]);
    }

    #[test]
    fn a_full_list_stays_as_it_is() {
        let adapters = Adapters::new();
        for address in 1..=MOST + 1 {
            adapters.add(ptr::without_provenance_mut(address));
        }
        assert_eq!(listed(&adapters), (1..=MOST).collect::<Vec<_>>());
    }
}
