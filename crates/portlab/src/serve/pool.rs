//! Data buffers that are used again: making one in memory shared with a device costs more than a short request.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;

use crate::workload::disk::{Buffer, BufferError, Disk};

/// Bytes that are kept for later.
const KEPT: usize = 32 << 20;
/// What a buffer for data of the device is filled with, so that what the device did not write shows.
const POISON: u8 = 0xA5;

#[derive(Debug)]
struct Kept<B> {
    by_length: HashMap<usize, Vec<B>>,
    bytes: usize,
}

/// A pool of one disk's buffers. A handle: clones are the same pool.
#[derive(Debug)]
pub struct Pool<B>(Arc<Mutex<Kept<B>>>);

impl<B> Clone for Pool<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B> Default for Pool<B> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Kept {
            by_length: HashMap::new(),
            bytes: 0,
        })))
    }
}

/// A buffer of a pool; [`Lent::give_back`] returns it, dropping it does not.
#[derive(Debug)]
pub struct Lent<B> {
    buffer: B,
    length: usize,
    pool: Weak<Mutex<Kept<B>>>,
}

impl<B: Buffer> Pool<B> {
    /// A buffer of exactly `length` bytes, as the request's length is its buffer's.
    ///
    /// # Errors
    /// If the disk has no memory of that size.
    pub fn take<D: Disk<Buffer = B>>(&self, disk: &D, length: usize) -> Result<Lent<B>, BufferError> {
        let used = {
            let mut kept = self.0.lock();
            let buffer = kept.by_length.get_mut(&length).and_then(Vec::pop);
            if buffer.is_some() {
                kept.bytes -= length;
            }
            buffer
        };
        let buffer = match used {
            Some(buffer) => buffer,
            None => disk.buffer(length)?,
        };
        Ok(Lent {
            buffer,
            length,
            pool: Arc::downgrade(&self.0),
        })
    }
}

impl<B: Buffer> Lent<B> {
    /// The buffer.
    #[must_use]
    pub fn buffer(&self) -> &B {
        &self.buffer
    }

    /// Its length in bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// Makes what was in it before unrecognisable.
    pub fn poison(&self) {
        self.buffer.fill(POISON);
    }

    /// Returns it. Not after a request that the driver did not end itself: the device may still have it.
    pub fn give_back(self) {
        let Some(pool) = self.pool.upgrade() else {
            return;
        };
        let mut kept = pool.lock();
        if kept.bytes + self.length <= KEPT {
            kept.bytes += self.length;
            kept.by_length.entry(self.length).or_default().push(self.buffer);
        }
    }
}
