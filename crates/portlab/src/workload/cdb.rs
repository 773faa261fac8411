//! The command descriptor blocks that Windows' disk stack sends.
//!
//! Sources: SPC-4 6.4 (INQUIRY), 6.33 (REPORT LUNS), 6.35 (REPORT SUPPORTED OPERATION CODES), 6.11 and 6.12 (MODE SENSE),
//! 6.47 (TEST UNIT READY); SBC-3 5.10 and 5.11 (READ), 5.15 and 5.16 (READ CAPACITY), 5.22 (START STOP UNIT), 5.23
//! (SYNCHRONIZE CACHE), 5.28 (UNMAP), 5.32 and 5.34 (WRITE), 5.43 (WRITE SAME).

/// TEST UNIT READY.
#[must_use]
pub fn test_unit_ready() -> Vec<u8> {
    vec![0; 6]
}

/// INQUIRY for the standard data (`page` absent) or a vital product data page.
#[must_use]
pub fn inquiry(page: Option<u8>, length: u16) -> Vec<u8> {
    let [high, low] = length.to_be_bytes();
    vec![0x12, u8::from(page.is_some()), page.unwrap_or(0), high, low, 0]
}

/// REPORT LUNS of the addressable logical units.
#[must_use]
pub fn report_luns(length: u32) -> Vec<u8> {
    let mut cdb = vec![0; 12];
    cdb[0] = 0xa0;
    cdb[6..10].copy_from_slice(&length.to_be_bytes());
    cdb
}

/// READ CAPACITY(10).
#[must_use]
pub fn read_capacity_10() -> Vec<u8> {
    let mut cdb = vec![0; 10];
    cdb[0] = 0x25;
    cdb
}

/// READ CAPACITY(16), a service action of SERVICE ACTION IN(16).
#[must_use]
pub fn read_capacity_16(length: u32) -> Vec<u8> {
    let mut cdb = vec![0; 16];
    cdb[0] = 0x9e;
    cdb[1] = 0x10;
    cdb[10..14].copy_from_slice(&length.to_be_bytes());
    cdb
}

/// MODE SENSE(6) of the current values of `page`, with block descriptors.
#[must_use]
pub fn mode_sense_6(page: u8, length: u8) -> Vec<u8> {
    vec![0x1a, 0, page, 0, length, 0]
}

/// MODE SENSE(10) of the current values of `page`, with block descriptors.
#[must_use]
pub fn mode_sense_10(page: u8, length: u16) -> Vec<u8> {
    let [high, low] = length.to_be_bytes();
    vec![0x5a, 0, page, 0, 0, 0, 0, high, low, 0]
}

/// START STOP UNIT that starts the unit.
#[must_use]
pub fn start_unit() -> Vec<u8> {
    vec![0x1b, 0, 0, 0, 1, 0]
}

/// SYNCHRONIZE CACHE(10) of the whole unit.
#[must_use]
pub fn synchronize_cache_10() -> Vec<u8> {
    let mut cdb = vec![0; 10];
    cdb[0] = 0x35;
    cdb
}

/// Which form of READ and WRITE is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// 32-bit block address, 16-bit length.
    Ten,
    /// 64-bit block address, 32-bit length.
    Sixteen,
}

/// READ of `blocks` blocks from `lba`.
#[must_use]
pub fn read(form: Form, lba: u64, blocks: u32) -> Vec<u8> {
    block_command(form, 0x28, 0x88, lba, blocks)
}

/// WRITE of `blocks` blocks from `lba`.
#[must_use]
pub fn write(form: Form, lba: u64, blocks: u32) -> Vec<u8> {
    block_command(form, 0x2a, 0x8a, lba, blocks)
}

/// A READ or WRITE of either form with force unit access.
#[must_use]
pub fn force_unit_access(mut command: Vec<u8>) -> Vec<u8> {
    command[1] |= 8;
    command
}

/// WRITE SAME(16) of one block's data to `blocks` blocks from `lba`; `unmap` allows to unmap them instead.
#[must_use]
pub fn write_same_16(lba: u64, blocks: u32, unmap: bool) -> Vec<u8> {
    let mut cdb = vec![0; 16];
    cdb[0] = 0x93;
    cdb[1] = u8::from(unmap) << 3;
    cdb[2..10].copy_from_slice(&lba.to_be_bytes());
    cdb[10..14].copy_from_slice(&blocks.to_be_bytes());
    cdb
}

/// UNMAP with a parameter list of `length` bytes.
#[must_use]
pub fn unmap(length: u16) -> Vec<u8> {
    let mut cdb = vec![0; 10];
    cdb[0] = 0x42;
    cdb[7..9].copy_from_slice(&length.to_be_bytes());
    cdb
}

/// UNMAP's parameter list for `blocks` blocks from `lba`.
#[must_use]
pub fn unmap_list(lba: u64, blocks: u32) -> Vec<u8> {
    let mut list = vec![0, 22, 0, 16, 0, 0, 0, 0];
    list.extend(lba.to_be_bytes());
    list.extend(blocks.to_be_bytes());
    list.extend([0; 4]);
    list
}

/// REPORT SUPPORTED OPERATION CODES for one operation code without service actions.
#[must_use]
pub fn report_operation_code(operation: u8, length: u32) -> Vec<u8> {
    let mut cdb = vec![0; 12];
    cdb[..4].copy_from_slice(&[0xa3, 0x0c, 1, operation]);
    cdb[6..10].copy_from_slice(&length.to_be_bytes());
    cdb
}

/// Falls back to the 16-byte form where the 10-byte one cannot hold the address or the length.
fn block_command(form: Form, ten: u8, sixteen: u8, lba: u64, blocks: u32) -> Vec<u8> {
    if form == Form::Ten
        && let (Ok(lba), Ok(blocks)) = (u32::try_from(lba), u16::try_from(blocks))
    {
        let mut cdb = vec![0; 10];
        cdb[0] = ten;
        cdb[2..6].copy_from_slice(&lba.to_be_bytes());
        cdb[7..9].copy_from_slice(&blocks.to_be_bytes());
        return cdb;
    }
    let mut cdb = vec![0; 16];
    cdb[0] = sixteen;
    cdb[2..10].copy_from_slice(&lba.to_be_bytes());
    cdb[10..14].copy_from_slice(&blocks.to_be_bytes());
    cdb
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_command_widens_when_it_must() {
        assert_eq!(
            read(Form::Ten, 0x0102_0304, 0x0506),
            [0x28, 0, 1, 2, 3, 4, 0, 5, 6, 0]
        );
        assert_eq!(write(Form::Ten, 1 << 32, 1)[..2], [0x8a, 0]);
        assert_eq!(write(Form::Ten, 0, 1 << 16)[0], 0x8a);
        assert_eq!(
            read(Form::Sixteen, 0x0102_0304_0506_0708, 0x090a),
            [0x88, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 9, 10, 0, 0]
        );
    }
}
