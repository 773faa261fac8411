//! Logical unit numbers, and what is answered for those behind which there is nothing (SPC-4, 6.6.1 and 6.39).

use iscsi_target::{connection::Completion, sense::Sense};

/// REPORT LUNS.
pub(super) const REPORT_LUNS: u8 = 0xA0;
const INQUIRY: u8 = 0x12;
const REQUEST_SENSE: u8 = 0x03;

/// The number that eight bytes mean: peripheral device addressing on bus 0, or flat space addressing (SAM-5, 4.7.7).
pub(super) fn number(lun: [u8; 8]) -> Option<u8> {
    match lun {
        // Both methods have the number's low byte here; Storport's numbers are bytes.
        [0x00 | 0x40, number, 0, 0, 0, 0, 0, 0] => Some(number),
        _ => None,
    }
}

/// What a command gets that is answered without a logical unit; `None` if it is refused.
pub(super) fn answer(opcode: u8, expected: u32) -> Option<(Completion, Vec<u8>)> {
    let mut data = match opcode {
        // Not capable of supporting a device here; SPC-4, response data format 2, 31 bytes more.
        INQUIRY => {
            let mut data = vec![0; 36];
            (data[0], data[2], data[3], data[4]) = (0x7F, 6, 2, 31);
            data
        }
        REQUEST_SENSE => Sense::LOGICAL_UNIT_NOT_SUPPORTED.data().to_vec(),
        _ => return None,
    };
    data.truncate(expected as usize);
    let completion = Completion {
        data: data.len(),
        moved: data.len() as u64,
        ..Completion::default()
    };
    Some((completion, data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_bytes_in_two_methods() {
        assert_eq!(number([0, 3, 0, 0, 0, 0, 0, 0]), Some(3));
        assert_eq!(number([0x40, 3, 0, 0, 0, 0, 0, 0]), Some(3));
        // Another bus, a number beyond a byte, a second level, a well-known unit.
        assert_eq!(number([1, 3, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(number([0x41, 3, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(number([0, 3, 0, 1, 0, 0, 0, 0]), None);
        assert_eq!(number([0xC1, 1, 0, 0, 0, 0, 0, 0]), None);
    }

    #[test]
    fn inquiry_says_that_nothing_is_there() {
        let (completion, data) = answer(INQUIRY, 5).unwrap();
        assert_eq!((completion.moved, data[0]), (5, 0x7F));
        assert!(answer(0x28, 512).is_none());
    }
}
