//! What is behind a namespace: bytes that survive a power cut.

use std::{collections::BTreeMap, fs::File, io, os::unix::fs::FileExt as _};

/// Durable bytes.
pub trait Store: Send {
    /// Length in bytes.
    fn length(&self) -> u64;
    /// Reads; what was never written is zeroes.
    ///
    /// # Errors
    /// If the medium cannot be read.
    fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
    /// Writes.
    ///
    /// # Errors
    /// If the medium cannot be written.
    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()>;
    /// Changes the length; new bytes are zeroes.
    ///
    /// # Errors
    /// If the medium cannot be resized.
    fn resize(&mut self, length: u64) -> io::Result<()>;
}

const PAGE: usize = 4096;

/// Sparse memory.
#[derive(Debug, Default, Clone)]
pub struct Sparse {
    length: u64,
    pages: BTreeMap<u64, Box<[u8; PAGE]>>,
}

impl Sparse {
    /// `length` bytes of zeroes.
    #[must_use]
    pub fn new(length: u64) -> Self {
        Self {
            length,
            pages: BTreeMap::new(),
        }
    }
}

fn within_page(offset: u64) -> usize {
    usize::try_from(offset % PAGE as u64).unwrap_or(0)
}

/// The pieces of `offset..offset + length` that lie in one page each: page, offset in it, range of the whole.
fn pieces(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done >= length {
            return None;
        }
        let at = offset + done as u64;
        let within = within_page(at);
        let count = (PAGE - within).min(length - done);
        let range = done..done + count;
        done += count;
        Some((at / PAGE as u64, within, range))
    })
}

impl Store for Sparse {
    fn length(&self) -> u64 {
        self.length
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        for (page, within, range) in pieces(offset, buffer.len()) {
            let count = range.len();
            match self.pages.get(&page) {
                Some(bytes) => buffer[range].copy_from_slice(&bytes[within..within + count]),
                None => buffer[range].fill(0),
            }
        }
        Ok(())
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        for (page, within, range) in pieces(offset, data.len()) {
            let count = range.len();
            let bytes = self.pages.entry(page).or_insert_with(|| Box::new([0; PAGE]));
            bytes[within..within + count].copy_from_slice(&data[range]);
        }
        Ok(())
    }

    fn resize(&mut self, length: u64) -> io::Result<()> {
        self.length = length;
        let first_gone = length.div_ceil(PAGE as u64);
        self.pages.retain(|page, _| *page < first_gone);
        if let Some(bytes) = self.pages.get_mut(&(length / PAGE as u64)) {
            bytes[within_page(length)..].fill(0);
        }
        Ok(())
    }
}

/// A file.
#[derive(Debug)]
pub struct Image {
    file: File,
    length: u64,
}

impl Image {
    /// `file` from its beginning, `length` bytes of it.
    #[must_use]
    pub fn new(file: File, length: u64) -> Self {
        Self { file, length }
    }
}

impl Store for Image {
    fn length(&self) -> u64 {
        self.length
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }

    fn resize(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)?;
        self.length = length;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sparse_memory_is_like_a_vector(writes in proptest::collection::vec((0u64..20_000, proptest::collection::vec(any::<u8>(), 0..9000)), 0..12), cut in 0u64..32_000) {
            let mut plain = vec![0_u8; 32_000];
            let mut sparse = Sparse::new(32_000);
            for (offset, data) in &writes {
                let start = usize::try_from(*offset).unwrap();
                plain[start..start + data.len()].copy_from_slice(data);
                sparse.write(*offset, data).unwrap();
            }
            sparse.resize(cut).unwrap();
            sparse.resize(32_000).unwrap();
            plain[usize::try_from(cut).unwrap()..].fill(0);
            let mut read = vec![1; 32_000];
            sparse.read(0, &mut read).unwrap();
            prop_assert!(read == plain);
        }
    }
}
