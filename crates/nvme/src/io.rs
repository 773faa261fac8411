//! Builders of NVM command set commands (NVM Command Set 1.0, chapter 3; Base 1.4, chapter 6).

use crate::command::{DataPointer, NamespaceId, SubmissionEntry, io_opcode};

/// A run of logical blocks as a command names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRange {
    /// SLBA, first logical block.
    pub start: u64,
    /// NLB, 0's based: blocks less one.
    pub blocks_zero_based: u16,
}

impl BlockRange {
    /// A range of `blocks` blocks; `None` for 0 or more than 65,536, and where the last block would exceed 64 bits.
    #[must_use]
    #[inline]
    pub fn new(start: u64, blocks: u32) -> Option<Self> {
        let zero_based = u16::try_from(blocks.checked_sub(1)?).ok()?;
        start.checked_add(u64::from(zero_based))?;
        Some(Self {
            start,
            blocks_zero_based: zero_based,
        })
    }
}

/// The bit of FUA in dword 12 (NVM Command Set 1.0, section 3.2.6).
const FORCE_UNIT_ACCESS: u32 = 30;
/// DEAC, bit 25 of dword 12 of Write Zeroes.
const DEALLOCATE: u32 = 1 << 25;
/// AD, bit 2 of dword 11 of Dataset Management.
const ATTRIBUTE_DEALLOCATE: u32 = 1 << 2;

/// Read.
#[must_use]
pub const fn read(
    namespace: NamespaceId,
    range: BlockRange,
    data: DataPointer,
    force_unit_access: bool,
) -> SubmissionEntry {
    transfer(io_opcode::READ, namespace, range, data, force_unit_access)
}

/// Write.
#[must_use]
pub const fn write(
    namespace: NamespaceId,
    range: BlockRange,
    data: DataPointer,
    force_unit_access: bool,
) -> SubmissionEntry {
    transfer(io_opcode::WRITE, namespace, range, data, force_unit_access)
}

/// Compare: fails with [`crate::StatusCode::COMPARE_FAILURE`] where the data differ.
#[must_use]
pub const fn compare(namespace: NamespaceId, range: BlockRange, data: DataPointer) -> SubmissionEntry {
    transfer(io_opcode::COMPARE, namespace, range, data, false)
}

/// Verify: reads from the medium without a transfer (from 1.4 on, if ONCS says so).
#[must_use]
pub const fn verify(namespace: NamespaceId, range: BlockRange) -> SubmissionEntry {
    transfer(io_opcode::VERIFY, namespace, range, DataPointer::NONE, false)
}

/// Write Zeroes, optionally deallocating (if ONCS says so).
#[must_use]
pub const fn write_zeroes(
    namespace: NamespaceId,
    range: BlockRange,
    deallocate: bool,
    force_unit_access: bool,
) -> SubmissionEntry {
    let mut entry = transfer(
        io_opcode::WRITE_ZEROES,
        namespace,
        range,
        DataPointer::NONE,
        force_unit_access,
    );
    if deallocate {
        entry.dword12 |= DEALLOCATE;
    }
    entry
}

const fn transfer(
    opcode: u8,
    namespace: NamespaceId,
    range: BlockRange,
    data: DataPointer,
    force_unit_access: bool,
) -> SubmissionEntry {
    let mut entry = SubmissionEntry::new(opcode)
        .with_namespace(namespace)
        .with_data(data);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the low half is what dword 10 holds"
    )]
    {
        entry.dword10 = range.start as u32;
    }
    entry.dword11 = (range.start >> 32) as u32;
    entry.dword12 = range.blocks_zero_based as u32 | (force_unit_access as u32) << FORCE_UNIT_ACCESS;
    entry
}

/// Flush: everything completed before it is on non-volatile media when it succeeds.
///
/// `NamespaceId::ALL` is legal only where Identify Controller's VWC says so.
#[must_use]
pub const fn flush(namespace: NamespaceId) -> SubmissionEntry {
    SubmissionEntry::new(io_opcode::FLUSH).with_namespace(namespace)
}

/// Dataset Management, deallocate: `ranges_zero_based + 1` entries of [`DeallocateRange`] lie at `data`.
#[must_use]
pub const fn deallocate(namespace: NamespaceId, ranges_zero_based: u8, data: DataPointer) -> SubmissionEntry {
    let mut entry = SubmissionEntry::new(io_opcode::DATASET_MANAGEMENT)
        .with_namespace(namespace)
        .with_data(data);
    entry.dword10 = ranges_zero_based as u32;
    entry.dword11 = ATTRIBUTE_DEALLOCATE;
    entry
}

/// One range of Dataset Management (NVM Command Set 1.0, section 3.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeallocateRange {
    /// First logical block.
    pub start: u64,
    /// Length in logical blocks.
    pub blocks: u32,
}

impl DeallocateRange {
    /// Bytes of one range in memory.
    pub const SIZE: usize = 16;

    /// The range's four dwords: context attributes 0, length, first block.
    #[must_use]
    pub const fn to_dwords(self) -> [u32; 4] {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the low half is what this dword holds"
        )]
        let low = self.start as u32;
        [0, self.blocks, low, (self.start >> 32) as u32]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// NVM Command Set 1.0, section 3.2.6: SLBA in dwords 10 and 11, NLB 15:0 and FUA bit 30 of dword 12.
    #[test]
    fn write_places_every_field() {
        let range = BlockRange::new(0x1_2345_6789, 8).unwrap();
        let entry = write(
            NamespaceId(2),
            range,
            DataPointer {
                prp1: 0x1000,
                prp2: 0x2000,
            },
            true,
        );
        let dwords = entry.to_dwords();
        assert_eq!(
            (dwords[0], dwords[1], dwords[6], dwords[8]),
            (1, 2, 0x1000, 0x2000)
        );
        assert_eq!(
            (dwords[10], dwords[11], dwords[12]),
            (0x2345_6789, 1, 0x4000_0007)
        );
    }

    #[test]
    fn ranges_are_1_to_65536_blocks_within_64_bits() {
        assert_eq!(BlockRange::new(0, 0), None);
        assert_eq!(BlockRange::new(0, 65_536).unwrap().blocks_zero_based, u16::MAX);
        assert_eq!(BlockRange::new(0, 65_537), None);
        assert!(BlockRange::new(u64::MAX, 1).is_some());
        assert_eq!(BlockRange::new(u64::MAX, 2), None);
    }

    #[test]
    fn deallocate_sets_the_attribute_and_the_count() {
        let entry = deallocate(NamespaceId(1), 3, DataPointer::page(0x3000));
        assert_eq!((entry.dword10, entry.dword11), (3, 4));
        assert_eq!(
            DeallocateRange {
                start: 1 << 32,
                blocks: 9
            }
            .to_dwords(),
            [0, 9, 0, 1]
        );
    }
}
