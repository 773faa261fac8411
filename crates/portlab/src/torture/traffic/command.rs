//! The commands of requests, and what is in their buffers.
//!
//! Sources: SPC-4 6.10 (LOG SENSE), 6.11 (MODE SELECT), 6.15 and 6.16 (PERSISTENT RESERVE); SBC-3 5.2 (COMPARE AND WRITE), 5.28
//! (UNMAP), 5.30 (VERIFY), 5.38 (WRITE AND VERIFY), 5.43 (WRITE SAME).

use super::{
    super::pattern,
    op::{Op, Question, Reserve},
};
use crate::{
    model::Direction,
    workload::cdb::{self, Form},
};

/// Bytes that a question asks for.
const ANSWER: u8 = 252;
/// Bytes of standard INQUIRY data.
const INQUIRY: u16 = 36;
/// Bytes of PERSISTENT RESERVE OUT's parameter list.
const RESERVE_LIST: usize = 24;
/// The host's reservation key.
pub(super) const KEY: [u8; 8] = *b"torture!";
/// Write Exclusive, of the whole unit.
const WRITE_EXCLUSIVE: u8 = 1;

/// A command, and its data.
pub(super) struct Command {
    pub(super) cdb: Vec<u8>,
    pub(super) data: Data,
}

pub(super) enum Data {
    None,
    /// So many bytes come.
    In(usize),
    /// These go.
    Out(Vec<u8>),
}

impl Data {
    pub(super) const fn direction(&self) -> Direction {
        match self {
            Self::None => Direction::None,
            Self::In(_) => Direction::In,
            Self::Out(_) => Direction::Out,
        }
    }
}

/// The blocks of a request.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) unit: u8,
    pub(super) block: u64,
    pub(super) count: u64,
    /// Bytes of a block.
    pub(super) size: u32,
}

impl Place {
    fn blocks(&self) -> u32 {
        u32::try_from(self.count).unwrap_or(0)
    }

    fn length(&self) -> usize {
        usize::try_from(self.count * u64::from(self.size)).unwrap_or(0)
    }

    /// What that write puts into the blocks.
    fn contents(&self, version: pattern::Version) -> Vec<u8> {
        let mut data = vec![0; self.length()];
        for (at, piece) in (self.block..).zip(data.chunks_exact_mut(self.size as usize)) {
            pattern::fill(piece, self.unit, at, version);
        }
        data
    }
}

/// A block command of the 16-byte form.
fn sixteen(operation: u8, flags: u8, place: Place) -> Vec<u8> {
    let mut cdb = cdb::read(Form::Sixteen, place.block, place.blocks());
    cdb[0] = operation;
    cdb[1] = flags;
    cdb
}

/// The command of `op`.
pub(super) fn command(op: Op, place: Place, form: Form) -> Command {
    let (cdb, data) = match op {
        Op::Read => (
            cdb::read(form, place.block, place.blocks()),
            Data::In(place.length()),
        ),
        Op::Write { version, through } => {
            let cdb = cdb::write(form, place.block, place.blocks());
            let cdb = if through { cdb::force_unit_access(cdb) } else { cdb };
            (cdb, Data::Out(place.contents(version)))
        }
        Op::WriteAndVerify { version, compares } => (
            sixteen(0x8e, u8::from(compares) << 1, place),
            Data::Out(place.contents(version)),
        ),
        Op::WriteSame { version, unmap } => {
            let one = Place { count: 1, ..place };
            (
                cdb::write_same_16(place.block, place.blocks(), unmap),
                Data::Out(one.contents(version)),
            )
        }
        Op::Unmap { descriptors } => {
            let list = unmap_list(place, descriptors);
            let length = u16::try_from(list.len()).unwrap_or(0);
            (cdb::unmap(length), Data::Out(list))
        }
        Op::CompareAndWrite {
            expected, version, ..
        } => {
            let mut cdb = sixteen(0x89, 0, place);
            cdb[10..14].fill(0);
            cdb[13] = 1;
            let mut data = place.contents(expected);
            data.extend(place.contents(version));
            (cdb, Data::Out(data))
        }
        Op::Verify => (sixteen(0x8f, 0, place), Data::None),
        Op::Flush => (cdb::synchronize_cache_10(), Data::None),
        Op::Ready => (cdb::test_unit_ready(), Data::None),
        Op::Ask(question) => ask(question),
        Op::SetCache { on } => {
            let mut list = vec![0; 4 + 20];
            list[4..7].copy_from_slice(&[0x08, 0x12, u8::from(on) << 2]);
            (vec![0x15, 0x10, 0, 0, 24, 0], Data::Out(list))
        }
        Op::Reserve(action) => reserve(action),
    };
    Command { cdb, data }
}

/// A list of the place's blocks, in so many descriptors: those before the last are of no or of one block.
fn unmap_list(place: Place, descriptors: u8) -> Vec<u8> {
    let mut list = cdb::unmap_list(place.block, 0);
    let mut descriptor = |block: u64, count: u64| {
        list.extend(block.to_be_bytes());
        list.extend(u32::try_from(count).unwrap_or(0).to_be_bytes());
        list.extend([0; 4]);
    };
    let (mut block, mut left) = (place.block, place.count);
    for _ in 1..descriptors {
        if left > 1 {
            descriptor(block, 1);
            block += 1;
            left -= 1;
        }
    }
    descriptor(block, left);
    let length = u16::try_from(list.len()).unwrap_or(0);
    list[..2].copy_from_slice(&(length - 2).to_be_bytes());
    list[2..4].copy_from_slice(&(length - 8).to_be_bytes());
    list
}

fn ask(question: Question) -> (Vec<u8>, Data) {
    let cdb = match question {
        Question::Inquiry | Question::Nobody => {
            return (cdb::inquiry(None, INQUIRY), Data::In(INQUIRY.into()));
        }
        Question::Page(page) => cdb::inquiry(Some(page), ANSWER.into()),
        Question::Luns => cdb::report_luns(ANSWER.into()),
        Question::Capacity => cdb::read_capacity_16(ANSWER.into()),
        Question::Caching => cdb::mode_sense_10(0x08, ANSWER.into()),
        Question::Log(page) => vec![0x4d, 0, 0x40 | page, 0, 0, 0, 0, 0, ANSWER, 0],
        Question::Reservations(action) => vec![0x5e, action, 0, 0, 0, 0, 0, 0, ANSWER, 0],
    };
    (cdb, Data::In(ANSWER.into()))
}

fn reserve(action: Reserve) -> (Vec<u8>, Data) {
    let mut list = vec![0; RESERVE_LIST];
    let code = match action {
        Reserve::Register => {
            list[8..16].copy_from_slice(&KEY);
            6
        }
        Reserve::Take => 1,
        Reserve::Release => 2,
        Reserve::Clear => 3,
    };
    if action != Reserve::Register {
        list[..8].copy_from_slice(&KEY);
    }
    let mut cdb = vec![0; 10];
    cdb[..3].copy_from_slice(&[0x5f, code, WRITE_EXCLUSIVE]);
    cdb[8] = 24;
    (cdb, Data::Out(list))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unmap_list_covers_the_place_and_says_how_long_it_is() {
        let place = Place {
            unit: 0,
            block: 7,
            count: 5,
            size: 512,
        };
        for descriptors in 1..=3 {
            let list = unmap_list(place, descriptors);
            let [l0, l1, d0, d1, ..] = list[..] else {
                panic!("{list:?}")
            };
            assert_eq!(usize::from(u16::from_be_bytes([l0, l1])), list.len() - 2);
            assert_eq!(usize::from(u16::from_be_bytes([d0, d1])), list.len() - 8);
            let blocks: Vec<u64> = list[8..]
                .chunks_exact(16)
                .flat_map(|piece| {
                    let (lba, rest) = piece.split_first_chunk().expect("an address");
                    let count = u32::from_be_bytes(*rest.first_chunk().expect("a count"));
                    let lba = u64::from_be_bytes(*lba);
                    lba..lba + u64::from(count)
                })
                .collect();
            assert_eq!(blocks, [7, 8, 9, 10, 11]);
        }
    }
}
