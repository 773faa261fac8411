//! A timeline is whole whatever happens: every begin has its end, and no track goes back in time.

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use parking_lot::Mutex;
use proptest::prelude::*;
use prost::Message as _;

use super::Timeline;
use crate::{
    model::{Address, Direction},
    observe::{
        DeviceEvent, Event, Moment, Observer as _, Place, Submitted,
        perfetto::{EventType, Trace},
    },
};

#[derive(Clone, Default)]
struct Bytes(Arc<Mutex<Vec<u8>>>);

impl io::Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn written(tell: impl FnOnce(&Timeline<Bytes>)) -> Trace {
    let bytes = Bytes::default();
    let timeline = Timeline::new(bytes.clone());
    tell(&timeline);
    timeline.finish().expect("memory takes everything");
    let bytes = bytes.0.lock();
    Trace::decode(bytes.as_slice()).expect("a trace")
}

/// What is wrong with it.
fn judge(trace: &Trace) -> Result<(), String> {
    let mut tracks: BTreeMap<u64, (usize, u64)> = BTreeMap::new();
    for packet in &trace.packet {
        if let Some(described) = &packet.track_descriptor {
            if described
                .parent_uuid
                .is_some_and(|parent| !tracks.contains_key(&parent))
            {
                return Err(format!("{} is below nothing", described.name));
            }
            if tracks.insert(described.uuid, (0, 0)).is_some() {
                return Err(format!("{} is described twice", described.name));
            }
        }
        let Some(event) = &packet.track_event else {
            continue;
        };
        let (open, last) = tracks
            .get_mut(&event.track_uuid)
            .ok_or("an event on a track that was not described")?;
        let at = packet.timestamp.ok_or("an event at no time")?;
        if at < *last {
            return Err(format!("{:?} goes back in time", event.name));
        }
        *last = at;
        match EventType::try_from(event.r#type) {
            Ok(EventType::SliceBegin) => *open += 1,
            Ok(EventType::SliceEnd) => *open = open.checked_sub(1).ok_or("an end without its begin")?,
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    match tracks.values().find(|(open, _)| *open > 0) {
        Some((open, _)) => Err(format!("{open} begins without their ends")),
        None => Ok(()),
    }
}

fn moment(at: u64, place: Option<Place>) -> Moment {
    Moment {
        at: Duration::from_nanos(at),
        place,
    }
}

fn submitted(request: u64) -> Submitted<'static> {
    Submitted {
        request,
        address: Address::default(),
        name: String::from("READ(10)"),
        cdb: &[0x28, 0, 0, 0, 0, 8, 0, 0, 8, 0],
        length: 4096,
        direction: Direction::In,
        processor: 0,
    }
}

#[test]
fn a_request_is_a_slice_with_its_stages_and_an_arrow_to_its_callbacks() {
    let processor = Some(Place::Processor(0));
    let trace = written(|timeline| {
        timeline.observe(&moment(10, None), &Event::Submitted(&submitted(7)));
        timeline.observe(
            &moment(20, None),
            &Event::HandedOver {
                request: 7,
                srb: 0x1000,
            },
        );
        let callback = Event::CallbackBegins {
            callback: String::from("HwStorStartIo"),
            irql: 2,
            request: Some(7),
            locks: vec![String::from("StartIo lock")],
        };
        timeline.observe(&moment(30, processor), &callback);
        timeline.observe(&moment(40, processor), &Event::CallbackEnds);
        let returned = Event::Returned {
            request: 7,
            srb_status: 1,
        };
        timeline.observe(&moment(50, None), &returned);
        let ended = Event::Ended {
            request: 7,
            srb_status: 1,
            scsi_status: 0,
            transferred: 4096,
            elapsed: Duration::from_nanos(50),
        };
        timeline.observe(&moment(60, None), &ended);
    });
    judge(&trace).expect("whole");
    let events: Vec<_> = trace
        .packet
        .iter()
        .filter_map(|packet| packet.track_event.as_ref())
        .collect();
    let named = |name: &str| {
        events
            .iter()
            .find(|event| event.name.as_deref() == Some(name))
            .unwrap_or_else(|| panic!("no {name}"))
    };
    assert_eq!(named("READ(10)").flow_ids, [7]);
    assert_eq!(named("HwStorStartIo").flow_ids, [7]);
    for stage in ["queued", "miniport", "completing"] {
        assert_eq!(named(stage).track_uuid, named("READ(10)").track_uuid);
    }
}

#[test]
fn a_file_that_cannot_be_written_is_an_error_at_the_end() {
    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let error = Timeline::new(Full)
        .finish()
        .expect_err("nothing could be written");
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
}

/// Anything an observer may be told, in any order.
fn anything() -> impl Strategy<Value = (u64, Option<Place>, u8, u64)> {
    let place = prop_oneof![
        Just(None),
        (0..3_u32).prop_map(|index| Some(Place::Processor(index))),
        (0..2_u32).prop_map(|index| Some(Place::Thread(index))),
    ];
    (0..1000_u64, place, 0..12_u8, 0..6_u64)
}

proptest! {
    #[test]
    fn whatever_is_told_every_begin_has_its_end(told in proptest::collection::vec(anything(), 0..200)) {
        let trace = written(|timeline| {
            for (at, place, kind, id) in told {
                let small = u16::try_from(id).unwrap_or(0);
                let event = match kind {
                    0 | 1 => Event::CallbackBegins {
                        callback: String::from("callback"),
                        irql: 2,
                        request: None,
                        locks: Vec::new(),
                    },
                    2 | 3 => Event::CallbackEnds,
                    4 => Event::HandedOver { request: id, srb: 0 },
                    5 => Event::Returned { request: id, srb_status: 1 },
                    6 => Event::Refused { request: id },
                    7 => Event::Ended {
                        request: id,
                        srb_status: 1,
                        scsi_status: 0,
                        transferred: 0,
                        elapsed: Duration::ZERO,
                    },
                    8 => Event::Phase("running"),
                    9 => Event::Device(DeviceEvent::Fetched {
                        queue: small & 1,
                        command_id: small,
                        opcode: 2,
                        namespace: 1,
                    }),
                    10 => Event::Device(DeviceEvent::Posted {
                        queue: small & 1,
                        command_id: small,
                        status: 0,
                    }),
                    _ => Event::Device(DeviceEvent::Forgotten),
                };
                timeline.observe(&moment(at, place), &event);
                if kind == 11 {
                    timeline.observe(&moment(at, place), &Event::Submitted(&submitted(id)));
                }
            }
        });
        prop_assert_eq!(judge(&trace), Ok(()));
    }
}
