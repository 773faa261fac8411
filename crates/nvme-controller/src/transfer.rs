//! Data pointers: PRPs (Base 1.4, 4.3) and SGLs (4.4), and moving data along them.

use crate::{Memory, command::Command, status::Status};

const PAGE: u64 = 4096;
/// Descriptors of one transfer: more than any transfer limit needs, and an end to lists that run in circles.
const MOST: usize = 4096;

/// A piece of the host's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) address: u64,
    pub(crate) length: u64,
}

/// The host's memory for `length` bytes of `command`'s data, in order.
pub(crate) fn segments(memory: &dyn Memory, command: &Command, length: u64) -> Result<Vec<Segment>, Status> {
    if length == 0 {
        return Ok(Vec::new());
    }
    match command.pointer_kind() {
        0 => prps(memory, command.prp1(), command.prp2(), length),
        1 | 2 => sgls(memory, command.sgl(), length),
        _ => Err(Status::INVALID_FIELD),
    }
}

/// Joins what is adjacent.
fn push(segments: &mut Vec<Segment>, address: u64, length: u64) {
    match segments.last_mut() {
        Some(last) if last.address.wrapping_add(last.length) == address => last.length += length,
        _ => segments.push(Segment { address, length }),
    }
}

fn prps(memory: &dyn Memory, prp1: u64, prp2: u64, length: u64) -> Result<Vec<Segment>, Status> {
    let mut segments = Vec::new();
    if !prp1.is_multiple_of(4) {
        return Err(Status::INVALID_PRP_OFFSET);
    }
    let first = (PAGE - prp1 % PAGE).min(length);
    push(&mut segments, prp1, first);
    let mut rest = length - first;
    if rest == 0 {
        return Ok(segments);
    }
    if rest <= PAGE {
        if !prp2.is_multiple_of(PAGE) {
            return Err(Status::INVALID_PRP_OFFSET);
        }
        push(&mut segments, prp2, rest);
        return Ok(segments);
    }
    if !prp2.is_multiple_of(8) {
        return Err(Status::INVALID_PRP_OFFSET);
    }
    let mut entry = prp2;
    for _ in 0..MOST {
        let pointer = read_qword(memory, entry)?;
        let last_of_page = entry % PAGE == PAGE - 8;
        if last_of_page && rest > PAGE {
            // The last entry of a list page points to the next list page.
            if !pointer.is_multiple_of(PAGE) {
                return Err(Status::INVALID_PRP_OFFSET);
            }
            entry = pointer;
            continue;
        }
        if !pointer.is_multiple_of(PAGE) {
            return Err(Status::INVALID_PRP_OFFSET);
        }
        let count = rest.min(PAGE);
        push(&mut segments, pointer, count);
        rest -= count;
        if rest == 0 {
            return Ok(segments);
        }
        entry = entry.wrapping_add(8);
    }
    Err(Status::INVALID_FIELD)
}

/// SGL descriptor types (figure 115); bit buckets and keyed blocks are not offered.
const DATA_BLOCK: u8 = 0;
const SEGMENT: u8 = 2;
const LAST_SEGMENT: u8 = 3;

struct Descriptor {
    address: u64,
    length: u64,
    kind: u8,
}

impl Descriptor {
    fn new(bytes: &[u8; 16]) -> Self {
        let [a0, a1, a2, a3, a4, a5, a6, a7, l0, l1, l2, l3, .., id] = *bytes;
        Self {
            address: u64::from_le_bytes([a0, a1, a2, a3, a4, a5, a6, a7]),
            length: u32::from_le_bytes([l0, l1, l2, l3]).into(),
            kind: id >> 4,
        }
    }
}

fn sgls(memory: &dyn Memory, first: [u8; 16], length: u64) -> Result<Vec<Segment>, Status> {
    let mut segments = Vec::new();
    let mut rest = length;
    let mut list = vec![Descriptor::new(&first)];
    let mut seen = 0;
    let mut last_segment = false;
    loop {
        let count = list.len();
        let mut next = None;
        for (index, descriptor) in list.iter().enumerate() {
            seen += 1;
            if seen > MOST {
                return Err(Status::INVALID_SGL_SEGMENT);
            }
            match descriptor.kind {
                DATA_BLOCK => {
                    let taken = descriptor.length.min(rest);
                    if taken != 0 {
                        push(&mut segments, descriptor.address, taken);
                        rest -= taken;
                    }
                }
                SEGMENT | LAST_SEGMENT => {
                    // Only as the last descriptor, and never in a segment that was announced as the last.
                    if index + 1 != count || last_segment {
                        return Err(Status::INVALID_SGL_SEGMENT);
                    }
                    if descriptor.length == 0 || !descriptor.length.is_multiple_of(16) {
                        return Err(Status::INVALID_SGL_SEGMENT);
                    }
                    last_segment = descriptor.kind == LAST_SEGMENT;
                    next = Some((descriptor.address, descriptor.length / 16));
                }
                _ => return Err(Status::SGL_DESCRIPTOR_TYPE),
            }
        }
        let Some((address, count)) = next else {
            return if rest == 0 {
                Ok(segments)
            } else {
                Err(Status::DATA_SGL_LENGTH)
            };
        };
        if count > MOST as u64 {
            return Err(Status::INVALID_SGL_SEGMENT);
        }
        let mut bytes = vec![0; usize::try_from(count * 16).map_err(|_| Status::INVALID_SGL_SEGMENT)?];
        memory
            .read(address, &mut bytes)
            .map_err(|_| Status::DATA_TRANSFER_ERROR)?;
        list = bytes.as_chunks::<16>().0.iter().map(Descriptor::new).collect();
    }
}

fn read_qword(memory: &dyn Memory, address: u64) -> Result<u64, Status> {
    let mut bytes = [0; 8];
    memory
        .read(address, &mut bytes)
        .map_err(|_| Status::DATA_TRANSFER_ERROR)?;
    Ok(u64::from_le_bytes(bytes))
}

/// Copies `data` to the host.
pub(crate) fn to_host(memory: &dyn Memory, segments: &[Segment], data: &[u8]) -> Result<(), Status> {
    let mut rest = data;
    for segment in segments {
        let count = usize::try_from(segment.length)
            .unwrap_or(usize::MAX)
            .min(rest.len());
        let (piece, tail) = rest.split_at(count);
        memory
            .write(segment.address, piece)
            .map_err(|_| Status::DATA_TRANSFER_ERROR)?;
        rest = tail;
    }
    Ok(())
}

/// Copies the host's data into `data`.
pub(crate) fn from_host(memory: &dyn Memory, segments: &[Segment], data: &mut [u8]) -> Result<(), Status> {
    let mut rest = data;
    for segment in segments {
        let count = usize::try_from(segment.length)
            .unwrap_or(usize::MAX)
            .min(rest.len());
        let (piece, tail) = rest.split_at_mut(count);
        memory
            .read(segment.address, piece)
            .map_err(|_| Status::DATA_TRANSFER_ERROR)?;
        rest = tail;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Flat;

    fn command(prp1: u64, prp2: u64) -> Command {
        let mut bytes = [0; 64];
        bytes[24..32].copy_from_slice(&prp1.to_le_bytes());
        bytes[32..40].copy_from_slice(&prp2.to_le_bytes());
        Command::new(bytes)
    }

    fn put(memory: &Flat, address: u64, pointers: &[u64]) {
        for (index, pointer) in (0..).zip(pointers) {
            memory.write(address + 8 * index, &pointer.to_le_bytes()).unwrap();
        }
    }

    #[test]
    fn a_list_chains_where_its_page_ends() {
        let memory = Flat::new(0, 1 << 20);
        // The list begins two entries before the end of its page: one data page, then the next list page.
        put(&memory, 0x1FF0, &[0x9000, 0x3000]);
        put(&memory, 0x3000, &[0xB000, 0xD000]);
        let found = segments(&memory, &command(0x8800, 0x1FF0), 0x800 + 3 * 4096).unwrap();
        let expected = [(0x8800, 0x1800), (0xB000, 0x1000), (0xD000, 0x1000)];
        assert_eq!(
            found,
            expected.map(|(address, length)| Segment { address, length })
        );
        // An entry at the end of a page that is the last of the transfer is data.
        put(&memory, 0x1FF8, &[0xF000]);
        let found = segments(&memory, &command(0x8000, 0x1FF0), 3 * 4096).unwrap();
        assert_eq!(found.last().map(|last| last.address), Some(0xF000));
    }

    #[test]
    fn offsets_where_none_may_be_are_refused() {
        let memory = Flat::new(0, 1 << 20);
        assert_eq!(
            segments(&memory, &command(2, 0), 512),
            Err(Status::INVALID_PRP_OFFSET)
        );
        assert_eq!(
            segments(&memory, &command(0x1000, 0x2010), 8192),
            Err(Status::INVALID_PRP_OFFSET)
        );
        put(&memory, 0x4000, &[0x5008]);
        assert_eq!(
            segments(&memory, &command(0x1000, 0x4000), 12288),
            Err(Status::INVALID_PRP_OFFSET)
        );
        assert_eq!(
            segments(&memory, &command(0x1000, 1 << 40), 12288),
            Err(Status::DATA_TRANSFER_ERROR)
        );
    }

    #[test]
    fn a_list_in_a_circle_ends() {
        let memory = Flat::new(0, 1 << 20);
        put(&memory, 0x1FF8, &[0x1000]);
        put(&memory, 0x1000, &[0x8000; 511]);
        assert!(segments(&memory, &command(0x8000, 0x1FF8), 1 << 40).is_err());
    }
}
