//! The messages of a Perfetto trace that a timeline needs.
//!
//! A trace file is a sequence of [`TracePacket`]s, each written as field 1 of the message `Trace`, so that a file can be written
//! from beginning to end and is whole at every packet. Source: Perfetto's `protos/perfetto/trace/trace_packet.proto` and
//! `track_event/*.proto`; field numbers there never change. Only the fields that are written are here.

/// One entry of a trace.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct TracePacket {
    /// Nanoseconds.
    #[prost(uint64, optional, tag = "8")]
    pub timestamp: Option<u64>,
    /// Identifies the writer; one here.
    #[prost(uint32, tag = "10")]
    pub trusted_packet_sequence_id: u32,
    /// An event on a track.
    #[prost(message, optional, tag = "11")]
    pub track_event: Option<TrackEvent>,
    /// Describes a track, before its first event.
    #[prost(message, optional, tag = "60")]
    pub track_descriptor: Option<TrackDescriptor>,
    /// `SEQ_INCREMENTAL_STATE_CLEARED` (1) with the first packet.
    #[prost(uint32, optional, tag = "13")]
    pub sequence_flags: Option<u32>,
}

/// The file: only read as a whole, in tests.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Trace {
    /// In order.
    #[prost(message, repeated, tag = "1")]
    pub packet: Vec<TracePacket>,
}

impl Trace {
    /// Reads a whole file.
    ///
    /// # Errors
    /// If it is no trace.
    pub fn read(bytes: &[u8]) -> Result<Self, prost::DecodeError> {
        prost::Message::decode(bytes)
    }
}

/// A track of the timeline.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct TrackDescriptor {
    /// Identifies it in this file.
    #[prost(uint64, tag = "1")]
    pub uuid: u64,
    /// What is shown beside it. Siblings of one name are shown as one.
    #[prost(string, tag = "2")]
    pub name: String,
    /// The track that it is shown below.
    #[prost(uint64, optional, tag = "5")]
    pub parent_uuid: Option<u64>,
    /// Makes it a counter.
    #[prost(message, optional, tag = "8")]
    pub counter: Option<CounterDescriptor>,
    /// How those below it are ordered: 3 for by their ranks.
    #[prost(enumeration = "ChildTracksOrdering", tag = "11")]
    pub child_ordering: i32,
    /// Its rank among its siblings.
    #[prost(int32, tag = "12")]
    pub sibling_order_rank: i32,
}

/// How tracks are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum ChildTracksOrdering {
    /// As the viewer likes.
    Unknown = 0,
    /// By name.
    Lexicographic = 1,
    /// By their first events.
    Chronological = 2,
    /// By `sibling_order_rank`.
    Explicit = 3,
}

/// A track of numbers.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct CounterDescriptor {
    /// Unit shown beside the number.
    #[prost(string, tag = "6")]
    pub unit_name: String,
}

/// An event on a track.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct TrackEvent {
    /// Details.
    #[prost(message, repeated, tag = "4")]
    pub debug_annotations: Vec<DebugAnnotation>,
    /// Begin, end, instant or counter.
    #[prost(enumeration = "EventType", tag = "9")]
    pub r#type: i32,
    /// Its track.
    #[prost(uint64, tag = "11")]
    pub track_uuid: u64,
    /// Categories.
    #[prost(string, repeated, tag = "22")]
    pub categories: Vec<String>,
    /// Its name; none for an end.
    #[prost(string, optional, tag = "23")]
    pub name: Option<String>,
    /// The number, for a counter.
    #[prost(int64, optional, tag = "30")]
    pub counter_value: Option<i64>,
    /// An arrow goes from event to event of one number.
    #[prost(fixed64, repeated, packed = "false", tag = "47")]
    pub flow_ids: Vec<u64>,
    /// It ends here.
    #[prost(fixed64, repeated, packed = "false", tag = "48")]
    pub terminating_flow_ids: Vec<u64>,
}

/// What an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum EventType {
    /// None.
    Unspecified = 0,
    /// A slice begins.
    SliceBegin = 1,
    /// The innermost slice of the track ends.
    SliceEnd = 2,
    /// Takes no time.
    Instant = 3,
    /// A number's new value.
    Counter = 4,
}

/// A detail of an event.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct DebugAnnotation {
    /// Its name.
    #[prost(string, tag = "10")]
    pub name: String,
    /// What it says.
    #[prost(oneof = "Value", tags = "3, 6, 7")]
    pub value: Option<Value>,
}

/// What a detail says.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Oneof)]
pub enum Value {
    /// A number.
    #[prost(uint64, tag = "3")]
    Number(u64),
    /// A text.
    #[prost(string, tag = "6")]
    Text(String),
    /// An address.
    #[prost(uint64, tag = "7")]
    Address(u64),
}
