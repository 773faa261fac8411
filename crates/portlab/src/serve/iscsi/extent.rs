//! What reads and writes move by their CDBs, against what the initiator expects (RFC 7143, 11.4.5).
//!
//! Nothing below can move less than a CDB says: the class drivers of Windows never ask for it. So the target shortens the CDB to
//! the blocks that fit what the initiator expects, and tells the rest as residual.

use iscsi_target::{
    connection::{Command, Completion, Direction},
    sense::Sense,
};

/// A number of blocks in a CDB: offset and width in bytes.
#[derive(Debug, Clone, Copy)]
struct Field {
    offset: usize,
    width: usize,
    writes: bool,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Clipped {
    /// Bytes of the buffer, if they are not what the initiator expects.
    pub(super) buffer: Option<u32>,
    /// Bytes that the command would have moved, if it was shortened.
    pub(super) moved: Option<u64>,
}

/// READ, WRITE, WRITE AND VERIFY (SBC-3, 5.7 to 5.45).
fn field(opcode: u8) -> Option<Field> {
    let (offset, width, writes) = match opcode {
        0x08 => (4, 1, false),
        0x0A => (4, 1, true),
        0x28 => (7, 2, false),
        0x2A | 0x2E => (7, 2, true),
        0xA8 => (6, 4, false),
        0xAA | 0xAE => (6, 4, true),
        0x88 => (10, 4, false),
        0x8A | 0x8E => (10, 4, true),
        _ => return None,
    };
    Some(Field {
        offset,
        width,
        writes,
    })
}

/// Shortens a command to what the initiator expects; how it ends if it cannot be carried out.
pub(super) fn clip(command: &mut Command, block: u32) -> Result<Clipped, Completion> {
    let opcode = command.cdb.first().copied().unwrap_or(0);
    let Some(Field {
        offset,
        width,
        writes,
    }) = field(opcode)
    else {
        return Ok(Clipped::default());
    };
    let Some(bytes) = command.cdb.get_mut(offset..offset + width) else {
        return Ok(Clipped::default());
    };
    let mut blocks = bytes.iter().fold(0_u64, |sum, &byte| sum << 8 | u64::from(byte));
    if width == 1 && blocks == 0 {
        blocks = 256;
    }
    let block = u64::from(block);
    let length = blocks.saturating_mul(block);
    let against = match command.direction {
        Direction::In => writes,
        Direction::Out => !writes,
        Direction::None => false,
    };
    let mismatch = |moved| {
        Err(Completion {
            moved,
            ..Completion::refused(Sense::INVALID_FIELD_IN_INFORMATION_UNIT)
        })
    };
    if against && writes && length > 0 {
        // Nothing to write came; GOOD would be a lie.
        return mismatch(0);
    }
    // In the direction of a read that is flagged as a write, nothing is expected.
    let expected = match command.direction {
        Direction::None => 0,
        _ if against => 0,
        _ => u64::from(command.expected),
    };
    if against {
        command.direction = Direction::None;
    }
    if length <= expected {
        return Ok(Clipped::default());
    }
    let fitting = if writes {
        if expected % block != 0 {
            // A part of a block cannot be written.
            return mismatch(length);
        }
        expected / block
    } else {
        expected.div_ceil(block)
    };
    if fitting == 0 && width == 1 {
        // Zero means 256 here: there is no such command.
        return Err(Completion {
            moved: length,
            ..Completion::default()
        });
    }
    let field = fitting.to_be_bytes();
    bytes.copy_from_slice(&field[field.len() - width..]);
    Ok(Clipped {
        buffer: u32::try_from(fitting * block).ok(),
        moved: Some(if against { 0 } else { length }),
    })
}

#[cfg(test)]
mod tests {
    use iscsi_target::connection::TaskId;

    use super::*;

    fn command(cdb: &[u8], direction: Direction, expected: u32) -> Command {
        Command {
            task: TaskId::default(),
            lun: [0; 8],
            cdb: cdb.to_vec(),
            direction,
            expected,
            data: Vec::new(),
        }
    }

    const READ_10: [u8; 10] = [0x28, 0, 0, 0, 0, 9, 0, 0, 2, 0];
    const WRITE_10: [u8; 10] = [0x2A, 0, 0, 0, 0, 9, 0, 0, 2, 0];

    #[test]
    fn what_fits_is_left_alone() {
        let mut read = command(&READ_10, Direction::In, 1024);
        assert_eq!(clip(&mut read, 512), Ok(Clipped::default()));
        let mut inquiry = command(&[0x12, 0, 0, 0, 255, 0], Direction::In, 4);
        assert_eq!(clip(&mut inquiry, 512), Ok(Clipped::default()));
    }

    #[test]
    fn a_read_gets_the_blocks_it_touches() {
        let mut read = command(&READ_10, Direction::In, 200);
        let clipped = clip(&mut read, 512).unwrap();
        assert_eq!(
            (clipped.buffer, clipped.moved, read.cdb[8]),
            (Some(512), Some(1024), 1)
        );
        let mut nothing = command(&READ_10, Direction::In, 0);
        assert_eq!(clip(&mut nothing, 512).unwrap().buffer, Some(0));
        assert_eq!(nothing.cdb[7..9], [0, 0]);
    }

    #[test]
    fn a_write_gets_whole_blocks_or_nothing() {
        let mut write = command(&WRITE_10, Direction::Out, 512);
        assert_eq!(clip(&mut write, 512).unwrap().moved, Some(1024));
        assert_eq!(write.cdb[8], 1);
        let refused = clip(&mut command(&WRITE_10, Direction::Out, 200), 512).unwrap_err();
        assert_eq!(
            (refused.status, refused.moved, refused.sense[12]),
            (2, 1024, 0x0E)
        );
    }

    #[test]
    fn data_does_not_go_against_the_command() {
        assert!(clip(&mut command(&WRITE_10, Direction::In, 1024), 512).is_err());
        let mut read = command(&READ_10, Direction::Out, 1024);
        let clipped = clip(&mut read, 512).unwrap();
        assert_eq!(
            (clipped.buffer, clipped.moved, read.direction),
            (Some(0), Some(0), Direction::None)
        );
        assert_eq!(read.cdb[7..9], [0, 0]);
    }

    #[test]
    fn six_byte_forms_have_no_zero() {
        let mut read = command(&[0x08, 0, 0, 0, 0, 0], Direction::In, 512);
        assert_eq!(clip(&mut read, 512).unwrap().moved, Some(256 * 512));
        assert_eq!(read.cdb[4], 1);
        let nothing = clip(&mut command(&[0x08, 0, 0, 0, 1, 0], Direction::In, 0), 512).unwrap_err();
        assert_eq!((nothing.status, nothing.moved), (0, 512));
    }
}
