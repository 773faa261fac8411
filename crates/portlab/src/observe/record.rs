//! A run in figures: latencies, throughput over time, and what was out of the ordinary.
//!
//! However long a run is, its record stays small: latencies are counted in buckets of an eighth of an octave, throughput in at
//! most [`BINS`] bins that grow with the run, and only the first [`EVENTS`] events are kept in words.

use std::{collections::BTreeMap, time::Duration};

use parking_lot::Mutex;

use super::{Event, Moment, Observer, Place};
use crate::model::{Direction, rules::Severity};

/// Bins of the throughput, at most.
pub const BINS: usize = 256;
/// Events kept in words.
pub const EVENTS: usize = 5000;
/// Buckets of an octave.
const PARTS: u32 = 8;

/// Takes a record of a run.
#[derive(Default)]
pub struct Recorder {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: BTreeMap<u64, (Class, u64)>,
    record: Record,
}

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Transfers from the unit.
    Read,
    /// Transfers to the unit.
    Write,
    /// Transfers nothing.
    Other,
}

/// What was recorded.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// From submission to answer.
    pub latencies: BTreeMap<Class, Histogram>,
    /// Bytes answered successfully.
    pub throughput: Throughput,
    /// In the order in which they happened.
    pub events: Vec<Entry>,
    /// Events beyond those.
    pub more_events: u64,
    /// When the last thing happened.
    pub end: Duration,
}

/// Something out of the ordinary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Duration,
    /// In which callback's place, if in any.
    pub place: Option<Place>,
    /// Of which kind.
    pub kind: Kind,
    /// In words.
    pub text: String,
}

/// Kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A rule was broken.
    Violation,
    /// Something looks wrong.
    Warning,
    /// The system is down.
    BugCheck,
    /// A reset, in the system's event log.
    Reset,
    /// Another record of the system's event log.
    Log,
    /// The adapter's life.
    Adapter,
    /// A change on the bus, told by the driver.
    Bus,
    /// A request that was refused or failed.
    Request,
    /// Debug output.
    Print,
}

impl Kind {
    /// In a word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Violation => "violation",
            Self::Warning => "warning",
            Self::BugCheck => "bug check",
            Self::Reset => "reset",
            Self::Log => "log",
            Self::Adapter => "adapter",
            Self::Bus => "bus",
            Self::Request => "request",
            Self::Print => "print",
        }
    }
}

impl Recorder {
    /// The record so far.
    #[must_use]
    pub fn record(&self) -> Record {
        self.state.lock().record.clone()
    }
}

impl Observer for Recorder {
    fn observe(&self, moment: &Moment, event: &Event<'_>) {
        let mut state = self.state.lock();
        state.record.end = state.record.end.max(moment.at);
        match event {
            Event::Submitted(submitted) => {
                let class = match submitted.direction {
                    Direction::In => Class::Read,
                    Direction::Out => Class::Write,
                    Direction::None => Class::Other,
                };
                state
                    .open
                    .insert(submitted.request, (class, u64::from(submitted.length)));
            }
            Event::Ended {
                request,
                srb_status,
                transferred,
                elapsed,
                ..
            } => {
                let Some((class, _)) = state.open.remove(request) else {
                    return;
                };
                state.record.latencies.entry(class).or_default().add(*elapsed);
                if *srb_status == crate::abi::srb::status::SUCCESS {
                    state
                        .record
                        .throughput
                        .add(moment.at, class, u64::from(*transferred));
                }
            }
            other => {
                if let Some((kind, text)) = words(other) {
                    let entry = Entry {
                        at: moment.at,
                        place: moment.place,
                        kind,
                        text,
                    };
                    state.record.add(entry);
                }
            }
        }
    }
}

fn words(event: &Event<'_>) -> Option<(Kind, String)> {
    Some(match event {
        Event::Violation(violation) => (
            match violation.severity {
                Severity::Violation => Kind::Violation,
                Severity::Warning => Kind::Warning,
            },
            format!("{}: {} (in {})", violation.rule, violation.detail, violation.call),
        ),
        Event::BugCheck(check) => (Kind::BugCheck, format!("{:#x}: {}", check.code, check.meaning)),
        Event::Logged(record) if record.id == 129 => (Kind::Reset, format!("event 129: {}", record.text)),
        Event::Logged(record) => (Kind::Log, format!("event {}: {}", record.id, record.text)),
        Event::Phase(phase) => (Kind::Adapter, (*phase).to_owned()),
        Event::StateChange(change) => (Kind::Bus, format!("{change:?}")),
        Event::Refused { request } => (Kind::Request, format!("request {request}: busy, tried again")),
        Event::Printed(line) => (Kind::Print, (*line).to_owned()),
        _ => return None,
    })
}

impl Record {
    fn add(&mut self, entry: Entry) {
        if self.events.len() < EVENTS {
            self.events.push(entry);
        } else {
            self.more_events += 1;
        }
    }
}

/// How often something took how long.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// By bucket: eight to an octave of nanoseconds.
    buckets: BTreeMap<u32, u64>,
    count: u64,
    longest: Duration,
}

impl Histogram {
    /// Counts one.
    pub fn add(&mut self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1);
        *self.buckets.entry(bucket(nanoseconds)).or_default() += 1;
        self.count += 1;
        self.longest = self.longest.max(time);
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The longest of all.
    #[must_use]
    pub const fn longest(&self) -> Duration {
        self.longest
    }

    /// The time that `thousandths` of all did not exceed, to an eighth of an octave above.
    #[must_use]
    pub fn quantile(&self, thousandths: u64) -> Duration {
        let wanted = (self.count * thousandths).div_ceil(1000).max(1);
        let mut seen = 0;
        for (bucket, count) in &self.buckets {
            seen += count;
            if seen >= wanted {
                return Duration::from_nanos(start(bucket + 1)).min(self.longest);
            }
        }
        self.longest
    }

    /// Counts by octave: nanoseconds at which it begins, and how many.
    #[must_use]
    pub fn octaves(&self) -> BTreeMap<u32, u64> {
        let mut octaves = BTreeMap::new();
        for (bucket, count) in &self.buckets {
            *octaves.entry(bucket / PARTS).or_default() += count;
        }
        octaves
    }
}

/// The bucket of a number of nanoseconds, which is not 0: its octave, and which eighth of it.
const fn bucket(nanoseconds: u64) -> u32 {
    let octave = nanoseconds.ilog2();
    let eighth = if octave >= 3 {
        (nanoseconds >> (octave - 3)) & 7
    } else {
        (nanoseconds << (3 - octave)) & 7
    };
    octave * PARTS + (eighth & 7) as u32
}

/// Where a bucket begins.
fn start(bucket: u32) -> u64 {
    let (octave, eighth) = (bucket / PARTS, bucket % PARTS);
    (u64::from(8 + eighth) << octave.min(60)) >> 3
}

/// Bytes over time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Throughput {
    width: Duration,
    bins: BTreeMap<Class, Vec<u64>>,
}

impl Default for Throughput {
    fn default() -> Self {
        Self {
            width: Duration::from_micros(1),
            bins: BTreeMap::new(),
        }
    }
}

impl Throughput {
    fn add(&mut self, at: Duration, class: Class, bytes: u64) {
        if bytes == 0 {
            return;
        }
        while at.as_nanos() / self.width.as_nanos() >= BINS as u128 {
            self.width *= 2;
            for bins in self.bins.values_mut() {
                *bins = bins.chunks(2).map(|pair| pair.iter().sum()).collect();
            }
        }
        let index = usize::try_from(at.as_nanos() / self.width.as_nanos()).unwrap_or(BINS - 1);
        let bins = self.bins.entry(class).or_default();
        if bins.len() <= index {
            bins.resize(index + 1, 0);
        }
        bins[index] += bytes;
    }

    /// Time that a bin spans.
    #[must_use]
    pub const fn width(&self) -> Duration {
        self.width
    }

    /// Bytes in each bin.
    #[must_use]
    pub fn bins(&self, class: Class) -> &[u64] {
        self.bins.get(&class).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{BINS, Class, Histogram, Throughput, bucket, start};

    #[test]
    fn quantiles_are_those_of_the_sorted_times() {
        let mut histogram = Histogram::default();
        for microseconds in 1..=1000 {
            histogram.add(Duration::from_micros(microseconds));
        }
        let median = histogram.quantile(500);
        assert!((500..=563).contains(&median.as_micros()), "{median:?}");
        assert_eq!(histogram.quantile(1000), Duration::from_millis(1));
        assert_eq!(histogram.longest(), Duration::from_millis(1));
        assert_eq!(histogram.octaves().values().sum::<u64>(), 1000);
    }

    proptest! {
        #[test]
        fn a_time_lies_in_its_bucket(nanoseconds in 1..u64::MAX >> 5) {
            let bucket = bucket(nanoseconds);
            prop_assert!(start(bucket) <= nanoseconds);
            prop_assert!(nanoseconds < start(bucket + 1) || nanoseconds < 8);
        }

        #[test]
        fn no_byte_is_lost_when_bins_grow(times in proptest::collection::vec((0..100_000_u64, 1..9000_u64), 1..300)) {
            let mut throughput = Throughput::default();
            let mut all = 0;
            for (milliseconds, bytes) in times {
                throughput.add(Duration::from_millis(milliseconds), Class::Read, bytes);
                all += bytes;
            }
            let bins = throughput.bins(Class::Read);
            prop_assert!(bins.len() <= BINS);
            prop_assert_eq!(bins.iter().sum::<u64>(), all);
        }
    }
}
