//! What a disk of zeroes answers to the few SCSI commands that it knows (SPC-4, SBC-3).

/// Bytes of a block.
pub(crate) const BLOCK: u32 = 512;
/// Blocks of the disk: 64 MiB.
pub(crate) const BLOCKS: u32 = 131_072;

/// SCSI status CHECK CONDITION.
pub(crate) const CHECK_CONDITION: u8 = 0x02;

/// What a CDB leads to.
pub(crate) enum Answer {
    /// These bytes, as many as are asked for.
    Data([u8; 36], usize),
    /// This many zeroes.
    Zeroes(u32),
    /// CHECK CONDITION with this sense data.
    Fail([u8; 18]),
}

/// Fixed-format sense data.
const fn sense(key: u8, code: u8) -> Answer {
    let mut data = [0; 18];
    data[0] = 0x70;
    data[2] = key;
    data[7] = 10;
    data[12] = code;
    Answer::Fail(data)
}

const INVALID_COMMAND: Answer = sense(0x05, 0x20);
const OUT_OF_RANGE: Answer = sense(0x05, 0x21);
const INVALID_FIELD: Answer = sense(0x05, 0x24);
const WRITE_PROTECTED: Answer = sense(0x07, 0x27);

/// Standard INQUIRY data: a direct-access device that conforms to SPC-4.
const INQUIRY: [u8; 36] = *b"\0\0\x06\x02\x1f\0\0\0FERROPRTZero            1.0 ";

/// Vital product data, page 0: the pages that there are.
const PAGES: [u8; 36] = {
    let mut data = [0; 36];
    data[3] = 2;
    data[5] = 0x83;
    data
};

/// Vital product data, page 0x83: one designator, of vendor and serial number.
const DESIGNATORS: [u8; 36] = *b"\0\x83\0\x14\x02\x01\0\x10FERROPRT00000001\0\0\0\0\0\0\0\0\0\0\0\0";

/// REPORT LUNS: one, number 0.
const LUNS: [u8; 36] = {
    let mut data = [0; 36];
    data[3] = 8;
    data
};

/// READ CAPACITY (10): the last block, and the length of one.
const CAPACITY: [u8; 36] = {
    let mut data = [0; 36];
    let (last, block) = ((BLOCKS - 1).to_be_bytes(), BLOCK.to_be_bytes());
    let mut index = 0;
    while index < 4 {
        data[index] = last[index];
        data[index + 4] = block[index];
        index += 1;
    }
    data
};

/// A read of `blocks` blocks from `first` on.
fn read(first: u64, blocks: u32) -> Answer {
    match first.checked_add(u64::from(blocks)) {
        Some(end) if end <= u64::from(BLOCKS) => Answer::Zeroes(blocks.wrapping_mul(BLOCK)),
        _ => OUT_OF_RANGE,
    }
}

/// The answer to a CDB.
pub(crate) fn answer(cdb: &[u8]) -> Answer {
    match *cdb {
        // TEST UNIT READY, START STOP UNIT, SYNCHRONIZE CACHE (10): there is nothing to do
        [0x00 | 0x1B | 0x35, ..] => Answer::Data([0; 36], 0),
        // INQUIRY: standard data, and the two pages of vital product data that every unit has
        [0x12, 0, 0, ..] => Answer::Data(INQUIRY, 36),
        [0x12, 1, 0, ..] => Answer::Data(PAGES, 6),
        [0x12, 1, 0x83, ..] => Answer::Data(DESIGNATORS, 24),
        [0x12, ..] => INVALID_FIELD,
        // READ CAPACITY (10)
        [0x25, ..] => Answer::Data(CAPACITY, 8),
        // REPORT LUNS
        [0xA0, ..] => Answer::Data(LUNS, 16),
        // READ (10)
        [0x28, _, a, b, c, d, _, high, low, _] => {
            let (first, blocks) = (u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([high, low]));
            read(u64::from(first), u32::from(blocks))
        }
        // READ (16)
        [0x88, _, ref rest @ ..] => match (rest.first_chunk(), rest.get(8..).and_then(<[u8]>::first_chunk)) {
            (Some(first), Some(blocks)) => read(u64::from_be_bytes(*first), u32::from_be_bytes(*blocks)),
            _ => INVALID_FIELD,
        },
        // WRITE (6), (10), (12), (16)
        [0x0A | 0x2A | 0xAA | 0x8A, ..] => WRITE_PROTECTED,
        _ => INVALID_COMMAND,
    }
}
