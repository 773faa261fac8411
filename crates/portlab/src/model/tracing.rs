//! What a miniport tells of itself, as structures: ETW events, and the trace ring in its device extension.
//!
//! A trace ring is how `ferronvme` keeps its last events in memory, where a crash dump has them; any miniport may do the same. Its format is
//! documented with crate `trace-ring` and in the guide. The lab looks for the header's first bytes in the device extension, as a debugger
//! would, and believes nothing that it has not checked.

use std::collections::BTreeMap;

use serde::Serialize;

/// A value with its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Value {
    /// Its name.
    pub name: String,
    /// The value.
    pub value: u64,
}

/// An ETW event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EtwEvent {
    /// The provider that it came from.
    pub provider: String,
    /// The driver's number for this kind of event.
    pub id: u32,
    /// What it is called.
    pub name: String,
    /// `STORPORT_ETW_LEVEL`: 1 critical, 2 error, 3 warning, 4 informational, 5 verbose.
    pub level: u32,
    /// `STORPORT_ETW_EVENT_KEYWORD_*`.
    pub keywords: u64,
    /// `STORPORT_ETW_EVENT_OPCODE`.
    pub opcode: u32,
    /// Its parameters, in order.
    pub values: Vec<Value>,
}

impl EtwEvent {
    /// In one line.
    #[must_use]
    pub fn text(&self) -> String {
        let level = match self.level {
            0 => "always",
            1 => "critical",
            2 => "error",
            3 => "warning",
            4 => "info",
            5 => "verbose",
            _ => "unknown",
        };
        line(&format!("{} {level} {}", self.id, self.name), &self.values)
    }
}

fn line(head: &str, values: &[Value]) -> String {
    values
        .iter()
        .fold(head.to_owned(), |text, Value { name, value }| {
            format!("{text} {name}={value:#x}")
        })
}

/// A record of a trace ring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TraceRecord {
    /// How many were begun before it.
    pub number: u64,
    /// Microseconds since an arbitrary origin.
    pub time_us: u64,
    /// The driver's number for this kind of event.
    pub id: u32,
    /// What it is called, if an ETW event of the same number said so.
    pub name: Option<String>,
    /// Its values; all four, numbered, if nothing names them.
    pub values: Vec<Value>,
}

impl TraceRecord {
    /// In one line.
    #[must_use]
    pub fn text(&self) -> String {
        let name = self.name.as_deref().unwrap_or("unnamed");
        line(
            &format!("{:>12} us  {} {name}", self.time_us, self.id),
            &self.values,
        )
    }
}

/// A trace ring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TraceRing {
    /// Where in the device extension it lies.
    pub offset: u64,
    /// Records begun since there is the ring.
    pub begun: u64,
    /// Records handed on to ETW.
    pub handed_on: u64,
    /// Records overwritten before they were handed on.
    pub lost: u64,
    /// Those that are whole, the oldest first.
    pub records: Vec<TraceRecord>,
}

const MAGIC: &[u8; 16] = b"FERRO.TRACE.RING";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 64;
const RECORD_BYTES: usize = 64;
const VALUES: usize = 4;
/// Rings lie at multiples of it.
const ALIGNMENT: usize = 8;

fn word32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn word64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The trace ring in the memory of a device extension, if there is one; `events` name what they know.
#[must_use]
pub fn trace_ring(extension: &[u8], events: &[EtwEvent]) -> Option<TraceRing> {
    let kinds: BTreeMap<u32, &EtwEvent> = events.iter().map(|event| (event.id, event)).collect();
    (0..extension.len())
        .step_by(ALIGNMENT)
        .find_map(|offset| ring_at(extension.get(offset..)?, offset as u64, &kinds))
}

fn ring_at(bytes: &[u8], offset: u64, kinds: &BTreeMap<u32, &EtwEvent>) -> Option<TraceRing> {
    if !bytes.starts_with(MAGIC) || word32(bytes, 16)? != VERSION {
        return None;
    }
    let sizes = (word32(bytes, 20)? as usize, word32(bytes, 24)? as usize);
    let count = u64::from(word32(bytes, 28)?);
    let begun = word64(bytes, 32)?;
    if sizes != (HEADER_BYTES, RECORD_BYTES) || !count.is_power_of_two() {
        return None;
    }
    let records = (begun.saturating_sub(count)..begun)
        .filter_map(|number| {
            let index = usize::try_from(number & (count - 1)).ok()?;
            let at = index.checked_mul(RECORD_BYTES)?.checked_add(HEADER_BYTES)?;
            record(bytes.get(at..)?.get(..RECORD_BYTES)?, number, kinds)
        })
        .collect();
    Some(TraceRing {
        offset,
        begun,
        handed_on: word64(bytes, 40)?,
        lost: word64(bytes, 48)?,
        records,
    })
}

fn record(bytes: &[u8], number: u64, kinds: &BTreeMap<u32, &EtwEvent>) -> Option<TraceRecord> {
    if word64(bytes, 0)? != number.wrapping_add(1) {
        return None;
    }
    let id = word32(bytes, 16)?;
    let kind = kinds.get(&id);
    let names: Vec<String> = match kind {
        Some(kind) => kind.values.iter().map(|value| value.name.clone()).collect(),
        None => (1..=VALUES).map(|index| index.to_string()).collect(),
    };
    let values = names
        .into_iter()
        .take(VALUES)
        .enumerate()
        .filter_map(|(index, name)| {
            let value = word64(bytes, 24 + 8 * index)?;
            Some(Value { name, value })
        })
        .collect();
    Some(TraceRecord {
        number,
        time_us: word64(bytes, 8)?,
        id,
        name: kind.map(|kind| kind.name.clone()),
        values,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A ring of four records of which six were begun; the last one was being written.
    fn extension() -> Vec<u8> {
        let mut bytes = vec![0xEE; 24];
        bytes.extend(MAGIC);
        for word in [VERSION, 64, 64, 4] {
            bytes.extend(word.to_le_bytes());
        }
        for word in [6_u64, 5, 0, 0] {
            bytes.extend(word.to_le_bytes());
        }
        for number in [4_u64, u64::MAX, 2, 3] {
            bytes.extend(number.wrapping_add(1).to_le_bytes());
            bytes.extend((number & 0xFF).to_le_bytes());
            bytes.extend(1101_u64.to_le_bytes());
            for value in [number, 7, 8, 9, 0] {
                bytes.extend(value.to_le_bytes());
            }
        }
        bytes
    }

    fn event() -> EtwEvent {
        EtwEvent {
            provider: String::from("Storport"),
            id: 1101,
            name: String::from("ResetBegun"),
            level: 3,
            keywords: 1,
            opcode: 1,
            values: vec![Value {
                name: String::from("reason"),
                value: 1,
            }],
        }
    }

    #[test]
    fn a_ring_is_found_and_what_is_whole_is_read() {
        let ring = trace_ring(&extension(), &[event()]).expect("a ring");
        assert_eq!((ring.offset, ring.begun, ring.handed_on), (24, 6, 5));
        let numbers: Vec<_> = ring.records.iter().map(|record| record.number).collect();
        assert_eq!(numbers, [2, 3, 4]);
        assert_eq!(
            ring.records[2].text(),
            "           4 us  1101 ResetBegun reason=0x4"
        );
        let unnamed = trace_ring(&extension(), &[]).expect("a ring");
        assert_eq!(unnamed.records[0].values.len(), VALUES);
        assert_eq!(trace_ring(&[0; 4096], &[]), None);
    }

    #[test]
    fn a_line_has_the_level_and_the_values() {
        assert_eq!(event().text(), "1101 warning ResetBegun reason=0x1");
    }

    proptest! {
        /// Memory of a driver that went wrong.
        #[test]
        fn no_memory_makes_the_reader_fail(at in 24_usize..88, byte in any::<u8>(), length in 0_usize..400) {
            let mut bytes = extension();
            bytes[at] = byte;
            bytes.truncate(length);
            if let Some(ring) = trace_ring(&bytes, &[event()]) {
                prop_assert!(ring.records.len() <= 4);
            }
        }
    }
}
