//! Images that are kept from one life to the next: loading one, finding its sites and reading its PDB take longer than a life.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use parking_lot::Mutex;

use super::machine::LoadedImage;

/// Images kept at a time.
const KEPT: usize = 4;

/// A file at a time, and where it was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    path: PathBuf,
    length: u64,
    modified: SystemTime,
    address: usize,
}

impl Key {
    /// The file as it is now, for an image at `address`.
    pub(super) fn of(path: &Path, address: usize) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            path: path.to_owned(),
            length: metadata.len(),
            modified: metadata.modified().ok()?,
            address,
        })
    }
}

static IMAGES: Mutex<Vec<LoadedImage>> = Mutex::new(Vec::new());

/// An image as it was before its first instruction ran.
pub(super) fn take(key: &Key) -> Option<LoadedImage> {
    let mut images = IMAGES.lock();
    let index = images
        .iter()
        .position(|loaded| loaded.key.as_ref() == Some(key))?;
    let mut loaded = images.swap_remove(index);
    drop(images);
    loaded.image.restore();
    Some(loaded)
}

/// Keeps an image that nothing runs in any more, if it is one to be kept.
pub(super) fn give(loaded: LoadedImage) {
    let mut images = IMAGES.lock();
    let gone = match &loaded.key {
        // The same place cannot hold two.
        Some(_) if images.len() < KEPT => {
            images.push(loaded);
            None
        }
        Some(_) => {
            let oldest = images.remove(0);
            images.push(loaded);
            Some(oldest)
        }
        None => Some(loaded),
    };
    drop(images);
    drop(gone);
}

/// Unmaps what is kept at an address, so that another image can go there.
pub(super) fn clear(address: usize) {
    let mut images = IMAGES.lock();
    let (gone, rest) = std::mem::take(&mut *images)
        .into_iter()
        .partition::<Vec<_>, _>(|loaded| loaded.image.range().start == address);
    *images = rest;
    drop(images);
    drop(gone);
}
