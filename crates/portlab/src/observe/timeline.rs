//! A timeline of a run, as a file that <https://ui.perfetto.dev> opens.
//!
//! | track | what is on it |
//! | --- | --- |
//! | a processor each | callbacks at `DISPATCH_LEVEL` or above, as they nest; the driver's calls; its IRQL |
//! | a system thread each | callbacks below `DISPATCH_LEVEL` |
//! | a logical unit each | requests from submission to answer: queued, with the miniport, on the way back |
//! | a submission queue each | NVMe commands from fetch to completion, as the controller saw them |
//! | the lab | phases of the adapter, violations, event log, debug output |
//!
//! An arrow leads from a request to the callbacks that got it and to the call that completed it. The format is Perfetto's own
//! (see [`super::perfetto`]), written as things happen: what is kept in memory is what has begun and not ended.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    time::Duration,
};

use parking_lot::Mutex;
use prost::Message as _;

use super::{
    DeviceEvent, Event, Moment, Observer, Place, Submitted,
    perfetto::{
        ChildTracksOrdering, CounterDescriptor, DebugAnnotation, EventType, TracePacket, TrackDescriptor,
        TrackEvent, Value,
    },
};
use crate::model::Address;

/// The writer's number.
const SEQUENCE: u32 = 1;
/// The first packet: nothing before it is referred to.
const CLEARED: u32 = 1;
/// Bytes kept before they are written.
const BUFFER: usize = 1 << 18;

/// Writes a timeline.
pub struct Timeline<W: Write + Send = BufWriter<File>> {
    state: Mutex<State<W>>,
}

/// A track, and what identifies it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Track {
    /// Heads of groups.
    Lab,
    Processors,
    Threads,
    Units,
    Device,
    /// Rows.
    Phases,
    Violations,
    EventLog,
    Output,
    Place(Place),
    Irql(u32),
    Unit(Address, u32),
    Outstanding,
    Queue(u16, u32),
    Resets,
}

struct State<W> {
    out: W,
    /// The first error; nothing is written after it.
    failed: Option<io::Error>,
    /// Tracks described so far, with the time of their last event and the slices that are open.
    tracks: BTreeMap<Track, Row>,
    requests: BTreeMap<u64, Request>,
    commands: BTreeMap<(u16, u16), Lane<u16>>,
    /// Lanes that are taken, by unit and by queue.
    unit_lanes: Lanes<Address>,
    queue_lanes: Lanes<u16>,
    irqls: BTreeMap<u32, Vec<u8>>,
    latest: Duration,
}

#[derive(Default)]
struct Row {
    uuid: u64,
    at: u64,
    open: usize,
}

struct Request {
    lane: Lane<Address>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Queued,
    Miniport,
    Returning,
}

#[derive(Clone, Copy)]
struct Lane<K> {
    of: K,
    number: u32,
}

/// Which of the parallel rows of something are taken.
struct Lanes<K>(BTreeMap<K, Vec<bool>>);

impl<K> Default for Lanes<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Copy> Lanes<K> {
    fn take(&mut self, of: K) -> Lane<K> {
        let lanes = self.0.entry(of).or_default();
        let index = lanes.iter().position(|taken| !taken).unwrap_or(lanes.len());
        match lanes.get_mut(index) {
            Some(lane) => *lane = true,
            None => lanes.push(true),
        }
        Lane {
            of,
            number: u32::try_from(index).unwrap_or(u32::MAX),
        }
    }

    fn give(&mut self, lane: Lane<K>) {
        let taken = self.0.get_mut(&lane.of);
        if let Some(taken) = taken.and_then(|lanes| lanes.get_mut(lane.number as usize)) {
            *taken = false;
        }
    }
}

impl Timeline {
    /// Begins a timeline in a new file.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self::new(BufWriter::with_capacity(BUFFER, File::create(path)?)))
    }
}

impl<W: Write + Send> Timeline<W> {
    /// Begins a timeline.
    pub fn new(out: W) -> Self {
        let mut state = State {
            out,
            failed: None,
            tracks: BTreeMap::new(),
            requests: BTreeMap::new(),
            commands: BTreeMap::new(),
            unit_lanes: Lanes::default(),
            queue_lanes: Lanes::default(),
            irqls: BTreeMap::new(),
            latest: Duration::ZERO,
        };
        for group in [
            Track::Lab,
            Track::Processors,
            Track::Threads,
            Track::Units,
            Track::Device,
        ] {
            state.row(group);
        }
        Self {
            state: Mutex::new(state),
        }
    }

    /// Ends what is open and writes the rest. What happens afterwards is not written.
    ///
    /// # Errors
    /// If not everything could be written.
    pub fn finish(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        let at = state.latest;
        let open: Vec<(Track, usize)> = state
            .tracks
            .iter()
            .map(|(track, row)| (*track, row.open))
            .collect();
        for (track, slices) in open {
            for _ in 0..slices {
                state.end(
                    at,
                    track,
                    vec![text("unfinished", "still open when the run ended")],
                );
            }
        }
        let flushed = state.out.flush();
        match state.failed.replace(io::ErrorKind::BrokenPipe.into()) {
            Some(error) => Err(error),
            None => flushed,
        }
    }
}

impl<W: Write + Send> Observer for Timeline<W> {
    fn observe(&self, moment: &Moment, event: &Event<'_>) {
        let mut state = self.state.lock();
        state.latest = state.latest.max(moment.at);
        state.event(moment, event);
    }
}

fn number(name: &str, value: impl Into<u64>) -> DebugAnnotation {
    DebugAnnotation {
        name: name.to_owned(),
        value: Some(Value::Number(value.into())),
    }
}

fn text(name: &str, value: impl Into<String>) -> DebugAnnotation {
    DebugAnnotation {
        name: name.to_owned(),
        value: Some(Value::Text(value.into())),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(" ")
}

impl Track {
    fn parent(self) -> Option<Self> {
        match self {
            Self::Lab | Self::Processors | Self::Threads | Self::Units | Self::Device => None,
            Self::Phases | Self::Violations | Self::EventLog | Self::Output => Some(Self::Lab),
            Self::Place(Place::Processor(_)) => Some(Self::Processors),
            Self::Irql(processor) => Some(Self::Place(Place::Processor(processor))),
            Self::Place(Place::Thread(_)) => Some(Self::Threads),
            Self::Unit(..) | Self::Outstanding => Some(Self::Units),
            Self::Queue(..) | Self::Resets => Some(Self::Device),
        }
    }

    fn name(self) -> String {
        match self {
            Self::Lab => String::from("Lab"),
            Self::Processors => String::from("Virtual processors"),
            Self::Threads => String::from("System threads"),
            Self::Units => String::from("Requests"),
            Self::Device => String::from("Device"),
            Self::Phases => String::from("Adapter"),
            Self::Violations => String::from("Violations"),
            Self::EventLog => String::from("Event log"),
            Self::Output => String::from("Debug output"),
            Self::Place(Place::Processor(processor)) => format!("Processor {processor}"),
            Self::Place(Place::Thread(thread)) => format!("System thread {thread}"),
            Self::Irql(_) => String::from("IRQL"),
            Self::Unit(address, _) => format!("Unit {address}"),
            Self::Outstanding => String::from("Requests in flight"),
            Self::Queue(0, _) => String::from("Admin queue"),
            Self::Queue(queue, _) => format!("I/O queue {queue}"),
            Self::Resets => String::from("Controller resets"),
        }
    }

    /// Rank among siblings.
    fn rank(self) -> i32 {
        let small = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
        match self {
            Self::Lab | Self::Phases | Self::Irql(_) | Self::Outstanding | Self::Resets => 0,
            Self::Processors | Self::Violations => 1,
            Self::Threads | Self::EventLog => 2,
            Self::Units | Self::Output => 3,
            Self::Device => 4,
            Self::Place(Place::Processor(index) | Place::Thread(index)) => small(index),
            Self::Unit(address, _) => 1 + i32::from_be_bytes([0, address.path, address.target, address.lun]),
            Self::Queue(queue, _) => 1 + i32::from(queue),
        }
    }

    fn unit_name(self) -> Option<&'static str> {
        match self {
            Self::Irql(_) => Some("IRQL"),
            Self::Outstanding => Some("requests"),
            _ => None,
        }
    }
}

impl<W: Write> State<W> {
    fn packet(&mut self, packet: &TracePacket) {
        if self.failed.is_some() {
            return;
        }
        // Field 1 of `Trace`, of wire type 2.
        let mut bytes = vec![0x0a];
        let written = packet
            .encode_length_delimited(&mut bytes)
            .map_err(io::Error::other)
            .and_then(|()| self.out.write_all(&bytes));
        self.failed = written.err();
    }

    /// The track's row; it is described with its first use.
    fn row(&mut self, track: Track) -> &mut Row {
        if !self.tracks.contains_key(&track) {
            let parent = track.parent().map(|parent| self.row(parent).uuid);
            let first = self.tracks.is_empty();
            let uuid = self.tracks.len() as u64 + 1;
            self.tracks.insert(
                track,
                Row {
                    uuid,
                    ..Row::default()
                },
            );
            self.packet(&TracePacket {
                trusted_packet_sequence_id: SEQUENCE,
                sequence_flags: first.then_some(CLEARED),
                track_descriptor: Some(TrackDescriptor {
                    uuid,
                    name: track.name(),
                    parent_uuid: parent,
                    counter: track.unit_name().map(|unit| CounterDescriptor {
                        unit_name: unit.to_owned(),
                    }),
                    child_ordering: ChildTracksOrdering::Explicit.into(),
                    sibling_order_rank: track.rank(),
                }),
                ..TracePacket::default()
            });
        }
        self.tracks.entry(track).or_default()
    }

    /// Writes an event; events of a track never go back in time.
    fn write(&mut self, at: Duration, track: Track, event: TrackEvent) {
        let row = self.row(track);
        row.at = row.at.max(u64::try_from(at.as_nanos()).unwrap_or(u64::MAX));
        let (at, uuid) = (row.at, row.uuid);
        self.packet(&TracePacket {
            timestamp: Some(at),
            trusted_packet_sequence_id: SEQUENCE,
            track_event: Some(TrackEvent {
                track_uuid: uuid,
                ..event
            }),
            ..TracePacket::default()
        });
    }

    fn begin(&mut self, at: Duration, track: Track, name: &str, event: TrackEvent) {
        self.row(track).open += 1;
        let event = TrackEvent {
            r#type: EventType::SliceBegin.into(),
            name: Some(name.to_owned()),
            ..event
        };
        self.write(at, track, event);
    }

    fn end(&mut self, at: Duration, track: Track, debug_annotations: Vec<DebugAnnotation>) {
        let row = self.row(track);
        if row.open == 0 {
            return;
        }
        row.open -= 1;
        let event = TrackEvent {
            r#type: EventType::SliceEnd.into(),
            debug_annotations,
            ..TrackEvent::default()
        };
        self.write(at, track, event);
    }

    fn instant(&mut self, at: Duration, track: Track, name: &str, event: TrackEvent) {
        let event = TrackEvent {
            r#type: EventType::Instant.into(),
            name: Some(name.to_owned()),
            ..event
        };
        self.write(at, track, event);
    }

    fn count(&mut self, at: Duration, track: Track, value: i64) {
        let event = TrackEvent {
            r#type: EventType::Counter.into(),
            counter_value: Some(value),
            ..TrackEvent::default()
        };
        self.write(at, track, event);
    }

    fn event(&mut self, moment: &Moment, event: &Event<'_>) {
        let at = moment.at;
        match event {
            Event::CallbackBegins {
                callback,
                irql,
                request,
                locks,
            } => self.callback(moment, callback, *irql, *request, locks),
            Event::CallbackEnds => self.callback_ends(moment),
            Event::Irql { processor, irql } => {
                // Storport's own raising and lowering around callbacks is not the driver's.
                if self.irqls.get(processor).is_some_and(|stack| !stack.is_empty()) {
                    self.count(at, Track::Irql(*processor), i64::from(*irql));
                }
            }
            Event::Call(function) => {
                if let Some(place) = moment.place {
                    self.instant(at, Track::Place(place), function, category("call"));
                }
            }
            Event::Submitted(submitted) => self.submitted(at, submitted),
            Event::HandedOver { request, srb } => self.handed_over(at, *request, *srb),
            Event::Returned { request, srb_status } => self.returned(moment, *request, *srb_status),
            Event::Refused { request } => self.refused(at, *request),
            Event::Ended {
                request,
                srb_status,
                scsi_status,
                transferred,
                ..
            } => {
                let details = vec![
                    text("SRB status", format!("{srb_status:#04x}")),
                    text("SCSI status", format!("{scsi_status:#04x}")),
                    number("transferred", *transferred),
                ];
                self.ended(at, *request, details);
            }
            Event::Phase(phase) => {
                self.end(at, Track::Phases, Vec::new());
                self.begin(at, Track::Phases, phase, category("adapter"));
            }
            Event::Device(event) => self.device(at, *event),
            other => self.remark(moment, other),
        }
    }

    /// What stands beside the rest.
    fn remark(&mut self, moment: &Moment, event: &Event<'_>) {
        let at = moment.at;
        match event {
            Event::Violation(violation) => {
                let details = TrackEvent {
                    debug_annotations: vec![
                        text("rule", violation.rule),
                        text("sentence", violation.sentence),
                        text("detail", violation.detail.clone()),
                        text("in", violation.call.clone()),
                        number("processor", violation.processor),
                        number("IRQL", violation.irql),
                        text("locks", violation.locks.join(", ")),
                        text(
                            "at",
                            violation
                                .backtrace
                                .iter()
                                .map(|frame| frame.place.as_str())
                                .collect::<Vec<_>>()
                                .join("\n"),
                        ),
                    ],
                    ..category("violation")
                };
                self.instant(at, Track::Violations, violation.rule, details.clone());
                if let Some(place) = moment.place {
                    self.instant(at, Track::Place(place), violation.rule, details);
                }
            }
            Event::BugCheck(check) => {
                let name = format!("bug check {:#x}", check.code);
                let details = TrackEvent {
                    debug_annotations: vec![text("meaning", check.meaning.clone())],
                    ..category("violation")
                };
                self.instant(at, Track::Violations, &name, details);
            }
            Event::Logged(record) => {
                let name = format!("event {}", record.id);
                let details = TrackEvent {
                    debug_annotations: vec![text("text", record.text.clone())],
                    ..category("log")
                };
                self.instant(at, Track::EventLog, &name, details);
            }
            Event::Printed(line) => self.instant(at, Track::Output, line, category("log")),
            Event::StateChange(change) => {
                self.instant(at, Track::EventLog, &format!("{change:?}"), category("log"));
            }
            _ => {}
        }
    }

    fn callback(&mut self, moment: &Moment, name: &str, irql: u8, request: Option<u64>, locks: &[String]) {
        let Some(place) = moment.place else {
            return;
        };
        let mut details = vec![number("IRQL", irql)];
        if !locks.is_empty() {
            details.push(text("locks", locks.join(", ")));
        }
        details.extend(request.map(|request| number("request", request)));
        let event = TrackEvent {
            debug_annotations: details,
            flow_ids: request.into_iter().collect(),
            ..category("callback")
        };
        self.begin(moment.at, Track::Place(place), name, event);
        if let Place::Processor(processor) = place {
            self.irqls.entry(processor).or_default().push(irql);
            self.count(moment.at, Track::Irql(processor), i64::from(irql));
        }
    }

    fn callback_ends(&mut self, moment: &Moment) {
        let Some(place) = moment.place else {
            return;
        };
        self.end(moment.at, Track::Place(place), Vec::new());
        if let Place::Processor(processor) = place {
            let stack = self.irqls.entry(processor).or_default();
            stack.pop();
            let below = stack.last().copied().unwrap_or(0);
            self.count(moment.at, Track::Irql(processor), i64::from(below));
        }
    }

    fn submitted(&mut self, at: Duration, submitted: &Submitted<'_>) {
        let lane = self.unit_lanes.take(submitted.address);
        let track = Track::Unit(lane.of, lane.number);
        let mut details = vec![
            number("request", submitted.request),
            number("length", submitted.length),
            text("direction", format!("{:?}", submitted.direction)),
            number("processor", submitted.processor),
        ];
        if !submitted.cdb.is_empty() {
            details.push(text("CDB", hexadecimal(submitted.cdb)));
        }
        let event = TrackEvent {
            debug_annotations: details,
            flow_ids: vec![submitted.request],
            ..category("request")
        };
        self.begin(at, track, &submitted.name, event);
        self.begin(at, track, "queued", category("request"));
        let stage = Stage::Queued;
        self.requests.insert(submitted.request, Request { lane, stage });
        let outstanding = i64::try_from(self.requests.len()).unwrap_or(i64::MAX);
        self.count(at, Track::Outstanding, outstanding);
    }

    /// Moves a request on: what it was in ends, and something else begins.
    fn stage(&mut self, at: Duration, request: u64, stage: Stage, name: &str, event: TrackEvent) {
        let Some(known) = self.requests.get_mut(&request) else {
            return;
        };
        known.stage = stage;
        let track = Track::Unit(known.lane.of, known.lane.number);
        self.end(at, track, Vec::new());
        self.begin(at, track, name, event);
    }

    fn handed_over(&mut self, at: Duration, request: u64, srb: u64) {
        let event = TrackEvent {
            debug_annotations: vec![DebugAnnotation {
                name: "SRB".to_owned(),
                value: Some(Value::Address(srb)),
            }],
            ..category("request")
        };
        self.stage(at, request, Stage::Miniport, "miniport", event);
    }

    fn returned(&mut self, moment: &Moment, request: u64, srb_status: u8) {
        if let Some(place) = moment.place {
            let event = TrackEvent {
                debug_annotations: vec![
                    number("request", request),
                    text("SRB status", format!("{srb_status:#04x}")),
                ],
                flow_ids: vec![request],
                ..category("request")
            };
            self.instant(moment.at, Track::Place(place), "request completed", event);
        }
        self.stage(
            moment.at,
            request,
            Stage::Returning,
            "completing",
            category("request"),
        );
    }

    fn refused(&mut self, at: Duration, request: u64) {
        let queued = self
            .requests
            .get(&request)
            .is_none_or(|known| known.stage == Stage::Queued);
        if !queued {
            self.stage(at, request, Stage::Queued, "queued again", category("request"));
        }
    }

    fn ended(&mut self, at: Duration, request: u64, details: Vec<DebugAnnotation>) {
        let Some(known) = self.requests.remove(&request) else {
            return;
        };
        let track = Track::Unit(known.lane.of, known.lane.number);
        self.end(at, track, Vec::new());
        self.end(at, track, details);
        self.unit_lanes.give(known.lane);
        let outstanding = i64::try_from(self.requests.len()).unwrap_or(i64::MAX);
        self.count(at, Track::Outstanding, outstanding);
    }

    fn device(&mut self, at: Duration, event: DeviceEvent) {
        match event {
            DeviceEvent::Fetched {
                queue,
                command_id,
                opcode,
                namespace,
            } => {
                if let Some(lane) = self.commands.remove(&(queue, command_id)) {
                    self.command_ends(at, lane, vec![text("lost", "its identifier is used again")]);
                }
                let lane = self.queue_lanes.take(queue);
                self.commands.insert((queue, command_id), lane);
                let event = TrackEvent {
                    debug_annotations: vec![
                        number("queue", queue),
                        number("command id", command_id),
                        text("opcode", format!("{opcode:#04x}")),
                        number("namespace", namespace),
                    ],
                    ..category("device")
                };
                let name = command_name(queue, opcode);
                self.begin(at, Track::Queue(queue, lane.number), &name, event);
            }
            DeviceEvent::Posted {
                queue,
                command_id,
                status,
            } => {
                let details = vec![text("status", format!("{status:#06x}"))];
                if let Some(lane) = self.commands.remove(&(queue, command_id)) {
                    self.command_ends(at, lane, details);
                } else {
                    let name = format!("completion of {queue}:{command_id}, which was not fetched");
                    let event = TrackEvent {
                        debug_annotations: details,
                        ..category("device")
                    };
                    self.instant(at, Track::Resets, &name, event);
                }
            }
            DeviceEvent::Forgotten => {
                for (_, lane) in std::mem::take(&mut self.commands) {
                    self.command_ends(at, lane, vec![text("lost", "the controller was reset")]);
                }
                self.instant(at, Track::Resets, "controller reset", category("device"));
            }
        }
    }

    fn command_ends(&mut self, at: Duration, lane: Lane<u16>, details: Vec<DebugAnnotation>) {
        self.end(at, Track::Queue(lane.of, lane.number), details);
        self.queue_lanes.give(lane);
    }
}

fn category(name: &str) -> TrackEvent {
    TrackEvent {
        categories: vec![name.to_owned()],
        ..TrackEvent::default()
    }
}

/// NVM Express Base 1.4, figures 139 and 346.
fn command_name(queue: u16, opcode: u8) -> String {
    let name = match (queue, opcode) {
        (0, 0x00) => "Delete I/O Submission Queue",
        (0, 0x01) => "Create I/O Submission Queue",
        (0, 0x02) => "Get Log Page",
        (0, 0x04) => "Delete I/O Completion Queue",
        (0, 0x05) => "Create I/O Completion Queue",
        (0, 0x06) => "Identify",
        (0, 0x08) => "Abort",
        (0, 0x09) => "Set Features",
        (0, 0x0a) => "Get Features",
        (0, 0x0c) => "Asynchronous Event Request",
        (0, 0x10) => "Firmware Commit",
        (0, 0x11) => "Firmware Image Download",
        (0, 0x7c) => "Doorbell Buffer Config",
        (0, 0x80) => "Format NVM",
        (0, 0x81) => "Security Send",
        (0, 0x82) => "Security Receive",
        (0, 0x84) => "Sanitize",
        (1.., 0x00) => "Flush",
        (1.., 0x01) => "Write",
        (1.., 0x02) => "Read",
        (1.., 0x04) => "Write Uncorrectable",
        (1.., 0x05) => "Compare",
        (1.., 0x08) => "Write Zeroes",
        (1.., 0x09) => "Dataset Management",
        (1.., 0x0c) => "Verify",
        (1.., 0x0d) => "Reservation Register",
        (1.., 0x0e) => "Reservation Report",
        (1.., 0x11) => "Reservation Acquire",
        (1.., 0x15) => "Reservation Release",
        _ => return format!("opcode {opcode:#04x}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests;
