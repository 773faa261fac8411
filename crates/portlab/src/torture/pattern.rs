//! What a block holds: bytes that say which write of which block they are.

/// A write, numbered in its life; 0 is a block that was never written.
pub type Version = u32;

/// In a version: all blocks of that write hold the same.
pub const SAME: Version = 1 << 31;
/// Nobody knows what was written: it was changed meanwhile.
pub const ANYTHING: Version = Version::MAX;

/// Bytes of the mark at a block's beginning.
const MARK: usize = 16;
const MAGIC: [u8; 3] = *b"FB\xb1";

/// What a block turned out to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// What that write put there, whole.
    Of(Version),
    /// The mark of a write to another block.
    Elsewhere {
        /// The unit it was meant for.
        unit: u8,
        /// The block it was meant for.
        block: u64,
        /// Which write.
        version: Version,
    },
    /// The mark of that write, and something else from this byte on.
    Torn {
        /// Which write.
        version: Version,
        /// The first byte that is not its.
        at: usize,
    },
    /// Nothing that a write put there; its first byte.
    Foreign(u8),
}

impl std::fmt::Display for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Of(0) => f.write_str("zeroes"),
            Self::Of(ANYTHING) => f.write_str("anything"),
            Self::Of(version) if version & SAME != 0 => write!(f, "write {} to each block", version & !SAME),
            Self::Of(version) => write!(f, "write {version}"),
            Self::Elsewhere { unit, block, version } => {
                write!(f, "write {version} of block {block} of unit {unit}")
            }
            Self::Torn { version, at } => write!(f, "write {version} up to byte {at}"),
            Self::Foreign(byte) => write!(f, "bytes of no write, {byte:#04x} first"),
        }
    }
}

/// Whether a block that holds that write may turn out as `found`.
#[must_use]
pub fn admits(version: Version, found: Content) -> bool {
    version == ANYTHING || Content::Of(version) == found
}

/// The block that a mark names.
const fn named(block: u64, version: Version) -> u64 {
    if version & SAME != 0 { u64::MAX } else { block }
}

/// Makes the content of one block.
pub fn fill(data: &mut [u8], unit: u8, block: u64, version: Version) {
    let block = named(block, version);
    if version == 0 {
        data.fill(0);
        return;
    }
    let mut random = fastrand::Rng::with_seed(block << 32 | u64::from(version));
    random.fill(data);
    if let Some(mark) = data.first_chunk_mut::<MARK>() {
        mark[..3].copy_from_slice(&MAGIC);
        mark[3] = unit;
        mark[4..12].copy_from_slice(&block.to_le_bytes());
        mark[12..].copy_from_slice(&version.to_le_bytes());
    }
}

/// Says what `data` is, found at `block` of `unit`.
#[must_use]
pub fn recognize(data: &[u8], unit: u8, block: u64) -> Content {
    let first = data.first().copied().unwrap_or(0);
    let Some(mark) = data.first_chunk::<MARK>().filter(|mark| mark[..3] == MAGIC) else {
        return if data.iter().all(|byte| *byte == 0) {
            Content::Of(0)
        } else {
            Content::Foreign(first)
        };
    };
    let [.., v0, v1, v2, v3] = *mark;
    let version = Version::from_le_bytes([v0, v1, v2, v3]);
    let [_, _, _, meant, b0, b1, b2, b3, b4, b5, b6, b7, ..] = *mark;
    let meant_block = u64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, b7]);
    if (meant, meant_block) != (unit, named(block, version)) {
        return Content::Elsewhere {
            unit: meant,
            block: meant_block,
            version,
        };
    }
    let mut expected = vec![0; data.len()];
    fill(&mut expected, unit, block, version);
    match data.iter().zip(&expected).position(|(a, b)| a != b) {
        None => Content::Of(version),
        Some(at) => Content::Torn { version, at },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_says_which_write_it_is() {
        let mut data = [0; 512];
        assert_eq!(recognize(&data, 0, 7), Content::Of(0));
        fill(&mut data, 2, 7, 41);
        assert_eq!(recognize(&data, 2, 7), Content::Of(41));
        let elsewhere = Content::Elsewhere {
            unit: 2,
            block: 7,
            version: 41,
        };
        assert_eq!(recognize(&data, 2, 8), elsewhere);
        assert_eq!(recognize(&data, 1, 7), elsewhere);
        data[300] ^= 1;
        assert_eq!(recognize(&data, 2, 7), Content::Torn { version: 41, at: 300 });
        assert_eq!(recognize(&[0xa5; 512], 2, 7), Content::Foreign(0xa5));
    }

    #[test]
    fn what_is_written_to_each_block_is_the_same() {
        let mut data = [0; 512];
        fill(&mut data, 2, 7, 5 | SAME);
        assert_eq!(recognize(&data, 2, 7), Content::Of(5 | SAME));
        assert_eq!(recognize(&data, 2, 8), Content::Of(5 | SAME));
        assert_ne!(recognize(&data, 1, 8), Content::Of(5 | SAME));
        assert!(admits(ANYTHING, Content::Foreign(0xff)) && !admits(5, Content::Of(5 | SAME)));
    }
}
