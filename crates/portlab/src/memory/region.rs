//! What the process knows about addresses: arenas, images, stacks.

use std::{
    ops::Range,
    sync::{PoisonError, RwLock, Weak},
};

use super::{
    Label,
    arena::{Backing, Core},
};

/// An arena as seen from outside.
pub(super) trait Described: Send + Sync {
    /// Whether the address is the arena's; what it belongs to.
    fn describe(&self, address: u64) -> Option<String>;

    /// Whether the range lies in a live object: `None` if it is not the arena's at all.
    fn is_live(&self, address: u64, length: usize) -> Option<bool>;
}

impl<B: Backing> Described for Core<B> {
    fn describe(&self, address: u64) -> Option<String> {
        if !self.covers(address) {
            return None;
        }
        // A fault may come at a time when the books are being changed: wait a little, never for ever.
        let state = (0..1000).find_map(|_| {
            let state = self.try_read();
            if state.is_none() {
                std::thread::yield_now();
            }
            state
        });
        let Some(state) = state else {
            return Some("memory of the lab's arena (its books are busy)".to_owned());
        };
        let object = state.object_near(address);
        Some(object.map_or_else(
            || "memory of the lab's arena that is nobody's".to_owned(),
            |object| object.describe(address),
        ))
    }

    fn is_live(&self, address: u64, length: usize) -> Option<bool> {
        self.covers(address)
            .then(|| self.read().live(address, length).is_some())
    }
}

static ARENAS: RwLock<Vec<Weak<dyn Described>>> = RwLock::new(Vec::new());

/// Makes an arena known.
pub(super) fn enter(arena: Weak<dyn Described>) {
    let mut arenas = ARENAS.write().unwrap_or_else(PoisonError::into_inner);
    arenas.retain(|arena| arena.strong_count() != 0);
    arenas.push(arena);
}

struct Region {
    range: Range<u64>,
    writable: bool,
    label: Label,
    number: u64,
}

static REGIONS: RwLock<(u64, Vec<Region>)> = RwLock::new((0, Vec::new()));

/// Memory outside the arenas that the model may touch on the driver's behalf: image sections, stacks.
/// Dropping it ends that.
#[derive(Debug)]
pub struct KnownRegion {
    number: u64,
}

impl KnownRegion {
    /// Declares `range` to be mapped as long as the value lives, and whether it may be written.
    #[must_use]
    pub fn new(range: Range<u64>, writable: bool, label: impl Into<Label>) -> Self {
        let mut regions = REGIONS.write().unwrap_or_else(PoisonError::into_inner);
        regions.0 += 1;
        let number = regions.0;
        regions.1.push(Region {
            range,
            writable,
            label: label.into(),
            number,
        });
        Self { number }
    }
}

impl Drop for KnownRegion {
    fn drop(&mut self) {
        let mut regions = REGIONS.write().unwrap_or_else(PoisonError::into_inner);
        regions.1.retain(|region| region.number != self.number);
    }
}

/// What an address belongs to, in words; `None` if the lab knows nothing of it.
#[must_use]
pub fn describe(address: u64) -> Option<String> {
    // A handful of arenas: cloning the list keeps the lock short.
    let arenas = ARENAS.try_read().ok()?.clone();
    if let Some(text) = arenas
        .iter()
        .filter_map(Weak::upgrade)
        .find_map(|arena| arena.describe(address))
    {
        return Some(text);
    }
    let regions = REGIONS.try_read().ok()?;
    let region = regions.1.iter().find(|region| region.range.contains(&address))?;
    Some(format!(
        "byte {} of {}",
        address - region.range.start,
        region.label
    ))
}

/// Whether the range may be touched.
pub(super) fn allows(address: u64, length: usize, write: bool) -> bool {
    let arenas = ARENAS.read().unwrap_or_else(PoisonError::into_inner).clone();
    let live = arenas
        .iter()
        .filter_map(Weak::upgrade)
        .find_map(|arena| arena.is_live(address, length));
    if let Some(live) = live {
        return live;
    }
    let Some(end) = address.checked_add(length as u64) else {
        return false;
    };
    let regions = REGIONS.read().unwrap_or_else(PoisonError::into_inner);
    regions
        .1
        .iter()
        .any(|region| region.range.start <= address && end <= region.range.end && (region.writable || !write))
}
