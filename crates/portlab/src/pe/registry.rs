//! Which images are loaded, for naming addresses.

use std::{
    ops::Range,
    sync::{PoisonError, RwLock},
};

static LOADED: RwLock<Vec<(Range<u64>, String)>> = RwLock::new(Vec::new());

pub(super) fn enter(range: Range<u64>, name: String) {
    LOADED
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .push((range, name));
}

pub(super) fn leave(range: &Range<u64>) {
    LOADED
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .retain(|(other, _)| other != range);
}

/// The loaded image that holds `address`: its name and the offset into it.
#[must_use]
pub fn locate(address: u64) -> Option<(String, u64)> {
    let loaded = LOADED.read().unwrap_or_else(PoisonError::into_inner);
    let (range, name) = loaded.iter().find(|(range, _)| range.contains(&address))?;
    Some((name.clone(), address - range.start))
}
