//! Finding a data element in a `STORAGE_REQUEST_BLOCK`, with every offset distrusted.
//!
//! Layout: storport.h (`STORAGE_REQUEST_BLOCK`, `SRBEX_DATA`). An element lies behind the offset table, within
//! `SrbLength`, aligned to 8 bytes, and is as long as its type says.

/// `SrbExDataTypeBidirectional`.
pub const BIDIRECTIONAL: u32 = 0x01;
/// `SrbExDataTypeScsiCdb16`.
pub const SCSI_CDB16: u32 = 0x40;
/// `SrbExDataTypeScsiCdb32`.
pub const SCSI_CDB32: u32 = 0x41;
/// `SrbExDataTypeScsiCdbVar`.
pub const SCSI_CDB_VAR: u32 = 0x42;
/// `SrbExDataTypeWmi`.
pub const WMI: u32 = 0x60;
/// `SrbExDataTypePower`.
pub const POWER: u32 = 0x61;
/// `SrbExDataTypePnP`.
pub const PNP: u32 = 0x62;
/// `SrbExDataTypeIoInfo`.
pub const IO_INFORMATION: u32 = 0x80;

/// Offset of `SrbExDataOffset[0]`.
pub const OFFSET_TABLE: u32 = 120;
/// More elements than this are not searched; the documented kinds number fewer.
pub const MAX_ELEMENTS: u32 = 16;
/// `Type` and `Length` before an element's data.
const ELEMENT_HEADER: u32 = 8;

/// An element of the wanted type, wholly inside the SRB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element {
    /// Offset of the element from the beginning of the SRB, a multiple of 8.
    pub offset: u32,
    /// Its `SRBEXDATATYPE`.
    pub kind: u32,
    /// `Length`: bytes behind the element's header.
    pub length: u32,
}

/// Finds the first element of one of the types in `wanted`.
///
/// `read` reads the 32-bit word at an offset; it is called only with offsets whose word lies within `srb_length`.
pub fn find(srb_length: u32, count: u32, wanted: &[u32], read: impl Fn(u32) -> u32) -> Option<Element> {
    let count = count.min(MAX_ELEMENTS);
    let table_end = count.checked_mul(4)?.checked_add(OFFSET_TABLE)?;
    if table_end > srb_length {
        return None;
    }
    for index in 0..count {
        let entry = OFFSET_TABLE.checked_add(index.checked_mul(4)?)?;
        let offset = read(entry);
        let Some(data) = offset.checked_add(ELEMENT_HEADER) else {
            continue;
        };
        if offset < table_end || offset & 7 != 0 || data > srb_length {
            continue;
        }
        let kind = read(offset);
        if !wanted.contains(&kind) {
            continue;
        }
        let length = read(offset.saturating_add(4));
        if data.checked_add(length).is_some_and(|end| end <= srb_length) {
            return Some(Element { offset, kind, length });
        }
    }
    None
}

/// Where the first element lies, if it is of type `wanted` and has `size` bytes within the SRB, its header included: what
/// [`find`] gives for most requests, without its search. `size` is at least 8.
///
/// `read` as for [`find`].
#[inline]
pub fn first(srb_length: u32, count: u32, wanted: u32, size: u32, read: impl Fn(u32) -> u32) -> Option<u32> {
    // Longer tables are for the search.
    if count == 0 || count > MAX_ELEMENTS {
        return None;
    }
    let table_end = count.wrapping_mul(4).wrapping_add(OFFSET_TABLE);
    // Behind the table, and short of the end; with a table within the SRB the difference does not wrap.
    let last = srb_length.checked_sub(size).filter(|last| *last >= table_end)?;
    let offset = read(OFFSET_TABLE);
    if offset < table_end || offset & 7 != 0 || offset > last || read(offset) != wanted {
        return None;
    }
    let length = read(offset.wrapping_add(4));
    (length >= size.wrapping_sub(ELEMENT_HEADER)).then_some(offset)
}

/// Whether a `STOR_ADDR_BTL8` at `offset` lies wholly inside the SRB.
#[must_use]
pub fn address_fits(srb_length: u32, offset: u32) -> bool {
    offset >= OFFSET_TABLE
        && offset.trailing_zeros() >= 2
        && offset.checked_add(12).is_some_and(|end| end <= srb_length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    extern crate std;
    use std::{vec, vec::Vec};

    fn srb(words: &[(u32, u32)], length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        for (offset, value) in words {
            bytes[*offset as usize..*offset as usize + 4].copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    fn word(bytes: &[u8], offset: u32) -> u32 {
        let offset = offset as usize;
        u32::from_le_bytes(bytes[offset..offset + 4].try_into().unwrap())
    }

    #[test]
    fn a_cdb_behind_another_element_is_found() {
        let bytes = srb(
            &[
                (120, 128),
                (124, 160),
                (128, PNP),
                (132, 16),
                (160, SCSI_CDB16),
                (164, 40),
            ],
            256,
        );
        assert_eq!(
            find(256, 2, &[SCSI_CDB16], |offset| word(&bytes, offset)),
            Some(Element {
                offset: 160,
                kind: SCSI_CDB16,
                length: 40
            })
        );
    }

    #[test]
    fn the_first_element_is_found_without_a_search() {
        let bytes = srb(&[(120, 128), (128, SCSI_CDB16), (132, 40)], 256);
        let read = |offset| word(&bytes, offset);
        assert_eq!(first(256, 1, SCSI_CDB16, 40, read), Some(128));
        assert_eq!(first(256, 1, PNP, 40, read), None);
        assert_eq!(first(256, 0, SCSI_CDB16, 40, read), None);
        assert_eq!(first(167, 1, SCSI_CDB16, 40, read), None, "it leaves the SRB");
        assert_eq!(first(168, 1, SCSI_CDB16, 40, read), Some(128));
        assert_eq!(
            first(256, 1, SCSI_CDB16, 49, read),
            None,
            "it is shorter than that"
        );
    }

    #[test]
    fn an_element_that_leaves_the_srb_is_not_found() {
        let bytes = srb(&[(120, 128), (128, SCSI_CDB16), (132, 1000)], 256);
        assert_eq!(find(256, 1, &[SCSI_CDB16], |offset| word(&bytes, offset)), None);
    }

    #[test]
    fn an_element_inside_the_offset_table_is_not_found() {
        let bytes = srb(&[(120, 64), (64, SCSI_CDB16), (68, 8)], 256);
        assert_eq!(find(256, 1, &[SCSI_CDB16], |offset| word(&bytes, offset)), None);
    }

    proptest! {
        #[test]
        fn no_srb_makes_the_search_read_outside_it(bytes in proptest::collection::vec(any::<u8>(), 0..300), count: u32, claim in 0_u32..400) {
            let length = u32::try_from(bytes.len()).unwrap().min(claim);
            let found = find(length, count, &[SCSI_CDB16, PNP, 0, 1], |offset| {
                assert!(offset + 4 <= length, "read at {offset} of {length}");
                word(&bytes, offset)
            });
            if let Some(element) = found {
                prop_assert!(element.offset + 8 + element.length <= length);
            }
            for wanted in [SCSI_CDB16, PNP, 0, 1] {
                let offset = first(length, count, wanted, 40, |offset| {
                    assert!(offset + 4 <= length, "read at {offset} of {length}");
                    word(&bytes, offset)
                });
                if let Some(offset) = offset {
                    prop_assert!(offset >= OFFSET_TABLE + 4 * count && offset + 40 <= length);
                    prop_assert_eq!((word(&bytes, offset), word(&bytes, OFFSET_TABLE)), (wanted, offset));
                }
            }
        }
    }
}
