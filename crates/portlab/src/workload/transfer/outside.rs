//! The image file itself, read from outside once the device is off.

use std::io;

use sha2::{Digest as _, Sha256};

use super::Source;

/// Bytes compared at a time.
const CHUNK: u64 = 1 << 20;

/// What is wrong with the image.
#[derive(Debug, thiserror::Error)]
pub enum ImageMismatch {
    /// A byte differs.
    #[error("byte {offset} of the image is {found:#04x}, {expected:#04x} was written")]
    Byte {
        /// Offset in bytes.
        offset: u64,
        /// What was written.
        expected: u8,
        /// What the image holds.
        found: u8,
    },
    /// The image or the snapshot cannot be read.
    #[error("the image cannot be compared: {0}")]
    Io(#[from] io::Error),
}

/// Compares the start of an image with what was written to the disk; returns the SHA-256 of that part.
///
/// # Errors
/// On the first byte that differs, or if the image cannot be read.
pub fn compare(
    source: &Source,
    image: impl Fn(&mut [u8], u64) -> io::Result<()>,
) -> Result<[u8; 32], ImageMismatch> {
    let mut hash = Sha256::new();
    let mut offset = 0;
    while offset < source.length() {
        let length = usize::try_from(CHUNK.min(source.length() - offset)).unwrap_or(usize::MAX);
        let mut expected = vec![0; length];
        let mut found = vec![0; length];
        source.read_at(&mut expected, offset)?;
        image(&mut found, offset)?;
        if found != expected {
            let first = found.iter().zip(&expected).position(|(a, b)| a != b).unwrap_or(0);
            let (expected, found) = (expected[first], found[first]);
            return Err(ImageMismatch::Byte {
                offset: offset + first as u64,
                expected,
                found,
            });
        }
        hash.update(&found);
        offset += length as u64;
    }
    Ok(hash.finalize().into())
}
