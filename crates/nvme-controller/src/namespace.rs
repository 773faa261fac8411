//! Blocks, and the volatile write cache in front of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use crate::{reservation::Reservations, status::Status, store::Store};

/// A namespace.
pub struct Namespace {
    store: Box<dyn Store>,
    /// Block size as a power of two: 9 or 12.
    pub(crate) shift: u8,
    /// IEEE extended unique identifier.
    pub(crate) eui64: u64,
    /// Blocks that are not durable yet.
    dirty: BTreeMap<u64, Box<[u8]>>,
    /// Blocks that cannot be read.
    uncorrectable: BTreeSet<u64>,
    pub(crate) reservations: Reservations,
    pub(crate) attached: bool,
}

impl std::fmt::Debug for Namespace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Namespace")
            .field("blocks", &self.blocks())
            .field("block_bytes", &self.block_bytes())
            .field("dirty", &self.dirty.len())
            .finish_non_exhaustive()
    }
}

impl Namespace {
    /// A namespace of 512-byte or 4096-byte blocks.
    #[must_use]
    pub fn new(store: Box<dyn Store>, block_bytes: u32, eui64: u64) -> Self {
        Self {
            store,
            shift: if block_bytes == 4096 { 12 } else { 9 },
            eui64,
            dirty: BTreeMap::new(),
            uncorrectable: BTreeSet::new(),
            reservations: Reservations::default(),
            attached: true,
        }
    }

    /// Size in logical blocks.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.store.length() >> self.shift
    }

    /// Bytes of a logical block.
    #[must_use]
    pub fn block_bytes(&self) -> u64 {
        1 << self.shift
    }

    /// Blocks in the write cache that a power cut may take.
    #[must_use]
    pub fn dirty_blocks(&self) -> usize {
        self.dirty.len()
    }

    /// Whether the range lies in the namespace.
    pub(crate) fn check(&self, lba: u64, blocks: u64) -> Result<(), Status> {
        match lba.checked_add(blocks) {
            Some(end) if end <= self.blocks() => Ok(()),
            _ => Err(Status::LBA_OUT_OF_RANGE),
        }
    }

    /// Reads whole blocks. The range was checked.
    pub(crate) fn read(&self, lba: u64, data: &mut [u8]) -> Result<(), Status> {
        let bytes = 1 << self.shift;
        let blocks = (data.len() / bytes) as u64;
        if self.uncorrectable.range(lba..lba + blocks).next().is_some() {
            return Err(Status::READ_ERROR);
        }
        self.store
            .read(lba << self.shift, data)
            .map_err(|_| Status::READ_ERROR)?;
        for (at, block) in self.dirty.range(lba..lba + blocks) {
            let start = usize::try_from(at - lba).unwrap_or(0) * bytes;
            data[start..start + bytes].copy_from_slice(block);
        }
        Ok(())
    }

    /// Writes whole blocks: to the cache, or through it. The range was checked.
    pub(crate) fn write(&mut self, lba: u64, data: &[u8], through: bool) -> Result<(), Status> {
        let bytes = 1 << self.shift;
        for (at, block) in (lba..).zip(data.chunks_exact(bytes)) {
            self.uncorrectable.remove(&at);
            if through {
                self.dirty.remove(&at);
            } else {
                self.dirty.insert(at, block.into());
            }
        }
        if through {
            self.store
                .write(lba << self.shift, data)
                .map_err(|_| Status::WRITE_FAULT)?;
        }
        Ok(())
    }

    /// Zeroes blocks, durably if `through`.
    pub(crate) fn zero(&mut self, lba: u64, blocks: u64, through: bool) -> Result<(), Status> {
        // In pieces: a range may be the whole namespace.
        const PIECE: u64 = 256;
        let zeroes = vec![0; usize::try_from(PIECE << self.shift).map_err(|_| Status::INTERNAL_ERROR)?];
        let mut done = 0;
        while done < blocks {
            let count = PIECE.min(blocks - done);
            let piece =
                &zeroes[..usize::try_from(count << self.shift).map_err(|_| Status::INTERNAL_ERROR)?];
            self.write(lba + done, piece, through)?;
            done += count;
        }
        Ok(())
    }

    /// Makes blocks unreadable until they are written.
    pub(crate) fn spoil(&mut self, lba: u64, blocks: u64) {
        for at in lba..lba + blocks {
            self.dirty.remove(&at);
            self.uncorrectable.insert(at);
        }
    }

    /// Makes everything durable.
    pub(crate) fn flush(&mut self) -> Result<(), Status> {
        while let Some((lba, block)) = self.dirty.pop_first() {
            self.store
                .write(lba << self.shift, &block)
                .map_err(|_| Status::WRITE_FAULT)?;
        }
        Ok(())
    }

    /// The power is gone: of the cache, what `survives` says is durable after all.
    pub(crate) fn lose_power(&mut self, mut survives: impl FnMut() -> bool) -> io::Result<()> {
        for (lba, block) in std::mem::take(&mut self.dirty) {
            if survives() {
                self.store.write(lba << self.shift, &block)?;
            }
        }
        self.reservations.lose_power();
        Ok(())
    }

    /// Another size, in blocks. What lay behind the new end is gone.
    pub(crate) fn resize(&mut self, blocks: u64) -> io::Result<()> {
        self.dirty.split_off(&blocks);
        self.uncorrectable.split_off(&blocks);
        self.store.resize(blocks << self.shift)
    }

    /// Another block size; the contents are gone.
    pub(crate) fn format(&mut self, shift: u8) -> Result<(), Status> {
        self.dirty.clear();
        self.uncorrectable.clear();
        self.shift = shift;
        let blocks = self.blocks();
        self.zero(0, blocks, true)
    }

    /// Everything is deallocated, what is in the cache, too.
    pub(crate) fn erase(&mut self) -> Result<(), Status> {
        let shift = self.shift;
        self.format(shift)
    }

    /// What is durable, from outside: as a power cut would leave it.
    ///
    /// # Errors
    /// If the medium cannot be read.
    pub fn read_durable(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.store.read(offset, buffer)
    }
}
