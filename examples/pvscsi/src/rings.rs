//! What lies in the rings. All of it is in memory that the adapter can write at any time: each word is read once, and
//! an index that cannot be is taken for an empty ring.

use core::sync::atomic::{Ordering, fence};

use crate::memory::{Memory, Piece, SLOTS, halves};

/// Words of the state page: indices count on without wrapping at the ring's end.
const REQUEST_PRODUCED: usize = 0;
const COMPLETION_PRODUCED: usize = 12;
const COMPLETION_CONSUMED: usize = 16;
const MESSAGE_PRODUCED: usize = 128;
const MESSAGE_CONSUMED: usize = 132;

const REQUEST_BYTES: usize = 128;
const COMPLETION_BYTES: usize = 32;
const MESSAGE_BYTES: usize = 128;
const MESSAGES: u32 = 32;

/// SIMPLE task attribute (SAM-5), as the parallel bus's message code.
const SIMPLE: u8 = 0x20;

/// Direction of the data, and whether its address is that of a scatter/gather list.
pub(crate) mod flags {
    pub(crate) const LIST: u32 = 1 << 0;
    pub(crate) const NO_DATA: u32 = 1 << 2;
    pub(crate) const IN: u32 = 1 << 3;
    pub(crate) const OUT: u32 = 1 << 4;
}

/// A request, as the ring has it.
pub(crate) struct Request<'a> {
    pub(crate) context: u32,
    pub(crate) data_address: u64,
    pub(crate) data_length: u32,
    pub(crate) sense_address: u64,
    pub(crate) sense_length: u32,
    pub(crate) flags: u32,
    /// At most 16 bytes.
    pub(crate) cdb: &'a [u8],
    pub(crate) target: u8,
    pub(crate) lun: u8,
}

/// A completion, as the adapter wrote it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Completion {
    pub(crate) context: u64,
    pub(crate) data_length: u64,
    pub(crate) sense_length: u32,
    pub(crate) host_status: u16,
    pub(crate) scsi_status: u16,
}

/// What a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Message {
    /// A disk came or went.
    DisksChanged,
    /// Something that this driver does not know.
    Other,
}

/// Offset of entry `index` in a ring of `entries` (a power of two) of `bytes` each.
fn place(index: u32, entries: u32, bytes: usize) -> usize {
    let index = index & entries.wrapping_sub(1);
    usize::try_from(index).unwrap_or(0).wrapping_mul(bytes)
}

fn wide(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

impl Memory<'_> {
    /// Puts a request into the ring. There is room for it: no more than [`SLOTS`] requests are in flight.
    pub(crate) fn push(&self, request: &Request<'_>) {
        let state = &self.state.0;
        let index = state.read32(REQUEST_PRODUCED);
        let mut cdb = [0; 16];
        for (to, from) in cdb.iter_mut().zip(request.cdb) {
            *to = *from;
        }
        let cdb_length = u8::try_from(request.cdb.len().min(cdb.len())).unwrap_or(0);
        let words = [request.context, 0]
            .into_iter()
            .chain(halves(request.data_address))
            .chain([request.data_length, 0])
            .chain(halves(request.sense_address))
            .chain([request.sense_length, request.flags])
            .chain(cdb.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)))
            .chain([
                // CDB length and the LUN's eight bytes, tag, bus and target.
                u32::from_le_bytes([cdb_length, 0, request.lun, 0]),
                0,
                u32::from_le_bytes([0, SIMPLE, 0, request.target]),
            ])
            .chain(core::iter::repeat(0));
        let first = place(index, SLOTS, REQUEST_BYTES);
        for (offset, word) in (0..REQUEST_BYTES).step_by(4).zip(words) {
            self.requests.0.write32(first.wrapping_add(offset), word);
        }
        fence(Ordering::Release);
        state.write32(REQUEST_PRODUCED, index.wrapping_add(1));
    }

    /// Takes the next completion, if there is one.
    pub(crate) fn pop_completion(&self) -> Option<Completion> {
        let next = self.next(COMPLETION_PRODUCED, COMPLETION_CONSUMED, SLOTS)?;
        let word = entry(self.completions, place(next, SLOTS, COMPLETION_BYTES));
        let [a, b, c, d] = word(5).to_le_bytes();
        let completion = Completion {
            context: wide(word(0), word(1)),
            data_length: wide(word(2), word(3)),
            sense_length: word(4),
            host_status: u16::from_le_bytes([a, b]),
            scsi_status: u16::from_le_bytes([c, d]),
        };
        self.state.0.write32(COMPLETION_CONSUMED, next.wrapping_add(1));
        Some(completion)
    }

    /// Takes the next message, if there is one.
    pub(crate) fn pop_message(&self) -> Option<Message> {
        const ADDED: u32 = 0;
        const REMOVED: u32 = 1;
        let next = self.next(MESSAGE_PRODUCED, MESSAGE_CONSUMED, MESSAGES)?;
        let word = entry(self.messages, place(next, MESSAGES, MESSAGE_BYTES));
        let message = match word(0) {
            ADDED | REMOVED => Message::DisksChanged,
            _ => Message::Other,
        };
        self.state.0.write32(MESSAGE_CONSUMED, next.wrapping_add(1));
        Some(message)
    }

    /// The consumer's index of a ring that is not empty.
    fn next(&self, produced: usize, consumed: usize, entries: u32) -> Option<u32> {
        let consumed = self.state.0.read32(consumed);
        let waiting = self.state.0.read32(produced).wrapping_sub(consumed);
        fence(Ordering::Acquire);
        (1..=entries).contains(&waiting).then_some(consumed)
    }
}

/// The words of the entry at an offset of a ring.
fn entry(ring: Piece<'_>, first: usize) -> impl Fn(usize) -> u32 {
    move |word: usize| ring.0.read32(first.wrapping_add(word.wrapping_mul(4)))
}
