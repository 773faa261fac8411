//! An in-memory ring of trace records, written from any IRQL and read where nothing runs any more: in a crash dump.
//!
//! The ring is part of a driver's state and begins as zeroes. Whoever looks for it searches for [`MAGIC`] at multiples of eight
//! bytes; the header says everything else. All numbers are little endian.
//!
//! | offset | bytes | header |
//! | --- | --- | --- |
//! | 0 | 16 | [`MAGIC`] |
//! | 16 | 4 | [`VERSION`] |
//! | 20 | 4 | bytes of the header, 64: the first record follows |
//! | 24 | 4 | bytes of a record, 64 |
//! | 28 | 4 | number of records, a power of two |
//! | 32 | 8 | records begun so far; record `n` lies at index `n` modulo the number of records |
//! | 40 | 8 | records handed on so far |
//! | 48 | 8 | records overwritten before they were handed on |
//! | 56 | 8 | reserved, 0 |
//!
//! | offset | bytes | record |
//! | --- | --- | --- |
//! | 0 | 8 | its number plus one; 0: empty, or just being written |
//! | 8 | 8 | time in microseconds, from an arbitrary origin |
//! | 16 | 4 | event id |
//! | 20 | 4 | reserved, 0 |
//! | 24 | 32 | four values |
//! | 56 | 8 | reserved, 0 |
//!
//! # Invariants
//!
//! * *Nobody waits*: a writer takes a number and writes its place; no lock, no loop.
//! * *A record is whole or not there*: its number is written last and cleared first, and a reader looks at it before and
//!   after. A writer that is held up while the whole ring goes round may mix its record with a newer one; the number then is
//!   the older one, which no reader of that place expects.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

#[cfg(test)]
extern crate std;

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use zerocopy::FromZeros;

/// The first bytes of a ring that is in use.
pub const MAGIC: [u8; 16] = *b"FERRO.TRACE.RING";
/// The version of the format.
pub const VERSION: u32 = 1;
/// Values of a record.
pub const VALUES: usize = 4;

/// A ring of `N` records, a power of two. All zeroes: not in use.
#[derive(FromZeros)]
#[repr(C, align(8))]
pub struct TraceRing<const N: usize> {
    magic: [AtomicU64; 2],
    version: AtomicU32,
    header_bytes: AtomicU32,
    record_bytes: AtomicU32,
    records: AtomicU32,
    next: AtomicU64,
    handed_on: AtomicU64,
    lost: AtomicU64,
    reserved: AtomicU64,
    places: [Place; N],
}

#[derive(FromZeros)]
#[repr(C, align(8))]
struct Place {
    sequence: AtomicU64,
    time: AtomicU64,
    id: AtomicU32,
    reserved_id: AtomicU32,
    values: [AtomicU64; VALUES],
    reserved: AtomicU64,
}

const HEADER_BYTES: usize = 64;
const RECORD_BYTES: usize = size_of::<Place>();

/// A record that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// How many were begun before it.
    pub number: u64,
    /// Microseconds from an arbitrary origin.
    pub time: u64,
    /// Event id.
    pub id: u32,
    /// What the event says; unused ones are 0.
    pub values: [u64; VALUES],
}

/// What is next to be handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// A record.
    Record(Record),
    /// Records were overwritten meanwhile, so many.
    Lost(u64),
    /// Nothing, or a record that is just being written.
    Nothing,
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
const fn low(value: u128) -> u64 {
    value as u64
}

/// Words of the magic number.
const fn magic() -> [u64; 2] {
    let whole = u128::from_le_bytes(MAGIC);
    [low(whole), low(whole >> 64)]
}

impl<const N: usize> TraceRing<N> {
    const MASK: u64 = {
        assert!(N.is_power_of_two(), "the number of records is a power of two");
        assert!(size_of::<Self>().wrapping_sub(size_of::<[Place; N]>()) == HEADER_BYTES);
        assert!(RECORD_BYTES == 64);
        (N as u64).wrapping_sub(1)
    };

    /// Makes the ring one that can be found. Again does no harm.
    pub fn open(&self) {
        for (bytes, place) in [
            (HEADER_BYTES, &self.header_bytes),
            (RECORD_BYTES, &self.record_bytes),
            (N, &self.records),
        ] {
            place.store(u32::try_from(bytes).unwrap_or(0), Ordering::Relaxed);
        }
        self.version.store(VERSION, Ordering::Relaxed);
        for (place, word) in self.magic.iter().zip(magic()) {
            place.store(word, Ordering::Release);
        }
    }

    /// Writes a record; the oldest one makes room. Any IRQL, any number of processors at once.
    pub fn write(&self, time: u64, id: u32, values: [u64; VALUES]) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let Some(place) = self.place(number) else {
            return;
        };
        place.sequence.store(0, Ordering::Relaxed);
        fence(Ordering::Release);
        place.time.store(time, Ordering::Relaxed);
        place.id.store(id, Ordering::Relaxed);
        for (place, value) in place.values.iter().zip(values) {
            place.store(value, Ordering::Relaxed);
        }
        place.sequence.store(number.wrapping_add(1), Ordering::Release);
    }

    /// Whether there is something to hand on.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.handed_on.load(Ordering::Relaxed) != self.next.load(Ordering::Relaxed)
    }

    /// The next record to be handed on. One caller at a time.
    pub fn take(&self) -> Next {
        let next = self.next.load(Ordering::Acquire);
        let at = self.handed_on.load(Ordering::Relaxed);
        let waiting = next.wrapping_sub(at);
        if waiting == 0 {
            return Next::Nothing;
        }
        if waiting > N as u64 {
            return self.skip(at, waiting.wrapping_sub(N as u64));
        }
        match self.read(at) {
            Ok(record) => {
                self.handed_on.store(at.wrapping_add(1), Ordering::Relaxed);
                Next::Record(record)
            }
            Err(sequence) if sequence > at.wrapping_add(1) => self.skip(at, 1),
            Err(_) => Next::Nothing,
        }
    }

    fn skip(&self, at: u64, lost: u64) -> Next {
        self.handed_on.store(at.wrapping_add(lost), Ordering::Relaxed);
        self.lost.fetch_add(lost, Ordering::Relaxed);
        Next::Lost(lost)
    }

    fn place(&self, number: u64) -> Option<&Place> {
        self.places.get(usize::try_from(number & Self::MASK).ok()?)
    }

    /// Record `number`, or the sequence word that was found instead of its own.
    fn read(&self, number: u64) -> Result<Record, u64> {
        let place = self.place(number).ok_or(0_u64)?;
        let sequence = place.sequence.load(Ordering::Acquire);
        if sequence != number.wrapping_add(1) {
            return Err(sequence);
        }
        let mut values = [0; VALUES];
        for (value, place) in values.iter_mut().zip(&place.values) {
            *value = place.load(Ordering::Relaxed);
        }
        let record = Record {
            number,
            time: place.time.load(Ordering::Relaxed),
            id: place.id.load(Ordering::Relaxed),
            values,
        };
        fence(Ordering::Acquire);
        match place.sequence.load(Ordering::Relaxed) {
            again if again == sequence => Ok(record),
            again => Err(again),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn ring() -> TraceRing<8> {
        let ring = TraceRing::new_zeroed();
        TraceRing::open(&ring);
        ring
    }

    #[test]
    fn records_come_in_order_and_once() {
        let ring = ring();
        assert!(!ring.has_more());
        assert_eq!(ring.take(), Next::Nothing);
        ring.write(7, 1001, [1, 2, 3, 4]);
        ring.write(8, 1002, [5, 6, 7, 8]);
        assert!(ring.has_more());
        let record = Record {
            number: 0,
            time: 7,
            id: 1001,
            values: [1, 2, 3, 4],
        };
        assert_eq!(ring.take(), Next::Record(record));
        assert!(matches!(ring.take(), Next::Record(Record { id: 1002, .. })));
        assert_eq!(ring.take(), Next::Nothing);
    }

    #[test]
    fn a_ring_that_goes_round_says_what_it_lost() {
        let ring = ring();
        for time in 0..20 {
            ring.write(time, 1, [time; 4]);
        }
        assert_eq!(ring.take(), Next::Lost(12));
        for number in 12..20 {
            assert!(
                matches!(ring.take(), Next::Record(record) if record.number == number && record.time == number)
            );
        }
        assert_eq!(ring.take(), Next::Nothing);
    }

    #[test]
    fn a_record_being_written_is_waited_for() {
        let ring = ring();
        ring.next.store(1, Ordering::Relaxed);
        assert_eq!(ring.take(), Next::Nothing);
        assert!(ring.has_more());
    }

    /// Many writers: what is read is what one of them wrote, whole.
    #[test]
    fn no_record_is_a_mixture() {
        let ring = ring();
        std::thread::scope(|scope| {
            let ring = &ring;
            let writers: Vec<_> = (1..=3_u64)
                .map(|writer| {
                    scope.spawn(move || {
                        for count in 0..5000 {
                            let value = writer << 32 | count;
                            ring.write(value, 1, [value; 4]);
                        }
                    })
                })
                .collect();
            let mut seen = 0_u64;
            while seen < 15_000
                && (ring.has_more() || !writers.iter().all(std::thread::ScopedJoinHandle::is_finished))
            {
                match ring.take() {
                    Next::Record(record) => {
                        assert_eq!(record.values, [record.time; 4]);
                        seen += 1;
                    }
                    Next::Lost(lost) => seen += lost,
                    Next::Nothing => std::thread::yield_now(),
                }
            }
        });
    }

    /// The layout that other tools read.
    #[test]
    fn the_layout_is_the_documented_one() {
        use core::mem::offset_of;
        assert_eq!(offset_of!(TraceRing<8>, version), 16);
        assert_eq!(offset_of!(TraceRing<8>, records), 28);
        assert_eq!(offset_of!(TraceRing<8>, next), 32);
        assert_eq!(offset_of!(TraceRing<8>, handed_on), 40);
        assert_eq!(offset_of!(TraceRing<8>, lost), 48);
        assert_eq!(offset_of!(TraceRing<8>, places), 64);
        assert_eq!(offset_of!(Place, time), 8);
        assert_eq!(offset_of!(Place, id), 16);
        assert_eq!(offset_of!(Place, values), 24);
        assert_eq!(size_of::<Place>(), 64);
        assert_eq!(magic()[0].to_le_bytes(), *b"FERRO.TR");
    }
}
