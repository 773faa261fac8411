//! Records on their way to ETW and the system's event log.

use core::sync::atomic::Ordering;

use ferronvme_events::{EVENTS, Event, Level, Opcode, ROWS, message_id};
use storport::{
    Context,
    context::{AtMostDispatch, Exclusion, Unspecified, UpToDispatch},
    log::{LogEntry, TEXT},
    text::Wide,
    trace::{self, Keywords, Parameter},
};
use trace_ring::{Next, Record};

use super::RECORDS;
use crate::{FerroNvme, adapter::Adapter};

type UpTo<'a, 'dev> = &'a Context<'dev, FerroNvme, UpToDispatch, Unspecified>;

/// A row of the table without what only the guide and the message table need.
struct Kind {
    id: u16,
    name: &'static str,
    fields: &'static [&'static str],
    keywords: u8,
    level: trace::Level,
    opcode: trace::Opcode,
    /// Id in the message table; 0: it is not logged.
    message: u32,
}

const fn level(level: Level) -> trace::Level {
    match level {
        Level::Critical => trace::Level::Critical,
        Level::Error => trace::Level::Error,
        Level::Warning => trace::Level::Warning,
        Level::Informational => trace::Level::Informational,
        Level::Verbose => trace::Level::Verbose,
    }
}

const fn opcode(opcode: Opcode) -> trace::Opcode {
    match opcode {
        Opcode::Info => trace::Opcode::Info,
        Opcode::Start => trace::Opcode::Start,
        Opcode::Stop => trace::Opcode::Stop,
        Opcode::Resume => trace::Opcode::Resume,
        Opcode::Suspend => trace::Opcode::Suspend,
    }
}

static KINDS: [Kind; EVENTS.len()] = {
    let mut kinds = [const {
        Kind {
            id: 0,
            name: "",
            fields: &[],
            keywords: 0,
            level: trace::Level::Verbose,
            opcode: trace::Opcode::Info,
            message: 0,
        }
    }; EVENTS.len()];
    let (mut rest, mut places) = (ROWS, kinds.as_mut_slice());
    while let ([row, rows @ ..], [place, others @ ..]) = (rest, places) {
        *place = Kind {
            id: row.id,
            name: row.name,
            fields: row.fields,
            keywords: row.keyword_bits(),
            level: level(row.level),
            opcode: opcode(row.opcode),
            message: if row.message.is_some() {
                message_id(row.level, row.id)
            } else {
                0
            },
        };
        (rest, places) = (rows, others);
    }
    kinds
};

/// Hands on what is in the ring: to ETW, and what matters to an administrator to the event log.
///
/// One caller at a time; who comes meanwhile leaves it to the one who is there, or to the DPC that every event asks for.
pub(crate) fn publish<I: AtMostDispatch, X: Exclusion>(
    cx: &Context<'_, FerroNvme, I, X>,
    adapter: &Adapter<'_>,
) {
    if adapter.trace.ring.has_more() {
        publish_up_to_dispatch(cx.up_to_dispatch(), adapter);
    }
}

#[cold]
#[inline(never)]
fn publish_up_to_dispatch(cx: UpTo<'_, '_>, adapter: &Adapter<'_>) {
    let trace = &adapter.trace;
    if trace.publishing.swap(1, Ordering::Acquire) != 0 {
        return;
    }
    for _ in 0..RECORDS {
        match trace.ring.take() {
            Next::Nothing => break,
            Next::Record(record) => tell(cx, &record),
            Next::Lost(count) => tell(
                cx,
                &Record {
                    number: 0,
                    time: 0,
                    id: Event::EventsLost.id().into(),
                    values: [count, 0, 0, 0],
                },
            ),
        }
    }
    trace.publishing.store(0, Ordering::Release);
}

fn tell(cx: UpTo<'_, '_>, record: &Record) {
    let Some(kind) = KINDS.iter().find(|kind| u32::from(kind.id) == record.id) else {
        return;
    };
    let mut parameters = [Parameter::NONE; trace_ring::VALUES];
    for ((place, name), value) in parameters.iter_mut().zip(kind.fields).zip(record.values) {
        *place = Parameter::new(name, value);
    }
    let event = trace::Event {
        unit: None,
        id: record.id,
        description: kind.name,
        keywords: Keywords::from_bits(kind.keywords),
        level: kind.level,
        opcode: kind.opcode,
    };
    // Not implemented: nobody traces. Always four parameters, so that one of the calls is enough; those without a name are none.
    let _ = cx.trace(&event, &parameters);
    #[cfg(feature = "dev")]
    wdk::println!("ferronvme: {} {:x?}", kind.name, record.values);
    if kind.message != 0 {
        log(cx, kind, record);
    }
}

/// An entry of the event log: the message, and the values by their names in its text.
fn log(cx: UpTo<'_, '_>, kind: &Kind, record: &Record) {
    let mut text = Wide::<TEXT>::EMPTY;
    for (index, (name, value)) in kind.fields.iter().zip(record.values).enumerate() {
        if index != 0 {
            text.append(", ");
        }
        text.append(name);
        text.append(" ");
        text.append_hexadecimal(value);
    }
    // No resources: the ring and ETW have it.
    let _ = cx.log_system_event(&LogEntry {
        unit: None,
        error: kind.message,
        unique_id: u32::try_from(record.number & u64::from(u32::MAX)).unwrap_or(0),
        text: &text,
        data: &[],
    });
}
