//! The short way of most requests: a READ or WRITE (10) or (16) of a whole buffer.
//!
//! Two halves, for two callbacks. [`Prepared::new`] sees the CDB and the buffer alone, as `HwStorBuildIo` does, and makes all of the
//! command but its namespace. [`Geometry::admits`] compares that with what the command needs of the unit. What either refuses
//! is not refused to the initiator: it goes through [`translate`](crate::translate), which says the same at greater length.

use nvme::io::{self, BlockRange};
use nvme::{DataPointer, NamespaceId, SubmissionEntry};
use scsi::cdb::MediaAccess;

use crate::request::DataDirection;
use crate::unit::{Controller, Namespace};

/// A READ or WRITE of 1 to 65,536 blocks that the whole data buffer is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Prepared {
    /// It writes to the medium.
    pub write: bool,
    /// FUA.
    pub force_unit_access: bool,
    /// The blocks.
    pub range: BlockRange,
}

impl Prepared {
    /// What the CDB says, if it is one of the usual ones; `length` is that of the CDB.
    #[must_use]
    #[expect(clippy::inline_always, reason = "the path of every request")]
    #[inline(always)]
    pub fn new(cdb: &[u8; 16], length: usize, direction: DataDirection) -> Option<Self> {
        let (access, write, range) = MediaAccess::parse_usual(cdb, length, BlockRange::new)?;
        let permitted = if write {
            direction.permits_out()
        } else {
            direction.permits_in()
        };
        if access.protect != 0 || !permitted {
            return None;
        }
        Some(Self {
            write,
            force_unit_access: access.fua,
            range,
        })
    }

    /// The command; its namespace and its command identifier are still to be set.
    #[must_use]
    #[inline]
    pub const fn submission_entry(&self, data: DataPointer) -> SubmissionEntry {
        let fua = self.force_unit_access;
        if self.write {
            io::write(NamespaceId::NONE, self.range, data, fua)
        } else {
            io::read(NamespaceId::NONE, self.range, data, fua)
        }
    }

    /// Blocks.
    #[must_use]
    pub const fn blocks(&self) -> u32 {
        (self.range.blocks_zero_based as u32).wrapping_add(1)
    }
}

/// What the usual requests need of a unit, in two words that can be published without a lock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Geometry {
    /// The namespace; [`NamespaceId::NONE`]: there is no unit for the short way.
    pub namespace: NamespaceId,
    /// Its blocks.
    pub blocks: u64,
    block_shift: u8,
    most_blocks_zero_based: u16,
}

/// Bits of the second word.
const SHIFT: u32 = 32;
const MOST_BLOCKS: u32 = 48;

impl Geometry {
    /// That of `namespace`; `None` if the short way is not for it: it must not be written to, or not a single block of it may
    /// be transferred at a time.
    #[must_use]
    pub fn new(namespace: &Namespace, controller: &Controller) -> Option<Self> {
        let most = namespace.max_transfer_blocks(controller).checked_sub(1)?;
        if namespace.write_protected {
            return None;
        }
        Some(Self {
            namespace: namespace.id(),
            blocks: namespace.blocks(),
            block_shift: namespace.block_shift(),
            most_blocks_zero_based: u16::try_from(most).ok()?,
        })
    }

    /// Whether the unit takes a READ or WRITE of `range` with a data buffer of `bytes` bytes, as it is.
    #[must_use]
    #[inline]
    pub const fn admits(&self, range: BlockRange, bytes: u32) -> bool {
        let beyond_first = range.blocks_zero_based as u64;
        // A range ends within 64 bits; where there is no unit there is no block.
        beyond_first.wrapping_add(1).wrapping_shl(self.block_shift as u32) == bytes as u64
            && range.blocks_zero_based <= self.most_blocks_zero_based
            && range.start.wrapping_add(beyond_first) < self.blocks
    }

    /// As two words; zeroes are no unit.
    #[must_use]
    pub const fn to_words(self) -> [u64; 2] {
        let second = self.namespace.0 as u64
            | (self.block_shift as u64) << SHIFT
            | (self.most_blocks_zero_based as u64) << MOST_BLOCKS;
        [self.blocks, second]
    }

    /// From what [`Geometry::to_words`] gave, or zeroes.
    #[must_use]
    #[inline]
    pub const fn from_words([blocks, second]: [u64; 2]) -> Self {
        let [n0, n1, n2, n3, block_shift, _, m0, m1] = second.to_le_bytes();
        Self {
            namespace: NamespaceId(u32::from_le_bytes([n0, n1, n2, n3])),
            blocks,
            block_shift,
            most_blocks_zero_based: u16::from_le_bytes([m0, m1]),
        }
    }
}
