//! The timeline of a real run: whole, complete, and nothing that changes the run.

use std::{collections::BTreeMap, fs};

use portlab::observe::perfetto::{EventType, Trace};

use super::{path, reports, run};

#[test]
fn a_watched_run_is_the_same_run() {
    let directory = tempfile::tempdir().expect("a directory");
    let events = |output: &str| {
        let line = output.lines().find(|line| line.starts_with("events "));
        line.expect("the deterministic engine counts events").to_owned()
    };
    let trace = directory.path().join("run.pftrace");
    let page = directory.path().join("run.html");
    let watched = run(&["--trace", path(&trace), "--report", path(&page)]);
    assert_eq!(events(&run(&[])), events(&watched));
}

#[test]
fn the_timeline_has_every_track_and_every_begin_its_end() {
    let file = reports().join("seeing.pftrace");
    run(&["--trace", path(&file)]);
    let bytes = fs::read(&file).expect("the timeline");
    let trace = Trace::read(&bytes).expect("Perfetto's format");
    let mut names = BTreeMap::new();
    let mut tracks: BTreeMap<u64, (i64, u64)> = BTreeMap::new();
    let mut slices: BTreeMap<(String, String), u32> = BTreeMap::new();
    for packet in &trace.packet {
        if let Some(track) = &packet.track_descriptor {
            names.insert(track.uuid, track.name.clone());
        }
        let Some(event) = &packet.track_event else {
            continue;
        };
        let (open, last) = tracks.entry(event.track_uuid).or_default();
        let at = packet.timestamp.expect("every event has its time");
        assert!(at >= *last, "{event:?} goes back in time");
        *last = at;
        match event.r#type() {
            EventType::SliceBegin => {
                *open += 1;
                let row = names[&event.track_uuid].clone();
                let name = event.name.clone().expect("every slice has its name");
                *slices.entry((row, name)).or_default() += 1;
            }
            EventType::SliceEnd => *open -= 1,
            _ => {}
        }
        assert!(*open >= 0, "an end without its begin");
    }
    assert!(
        tracks.values().all(|(open, _)| *open == 0),
        "begins without their ends"
    );
    let count = |track: &str, name: &str| {
        let key = (track.to_owned(), name.to_owned());
        slices.get(&key).copied().unwrap_or(0)
    };
    let reads = count("Unit 0:0:0", "READ(10)");
    let writes = count("Unit 0:0:0", "WRITE(10)");
    assert!(reads > 4 && writes > 4, "{slices:#?}");
    let on_queues = |name: &str| -> u32 {
        let on_queues = slices
            .iter()
            .filter(|((track, own), _)| track.starts_with("I/O queue") && own == name);
        on_queues.map(|(_, count)| *count).sum()
    };
    // A reset may have one command more for a request that is issued again.
    assert!(
        on_queues("Read") >= reads && on_queues("Write") >= writes,
        "{slices:#?}"
    );
    let starts = count("Processor 0", "HwStorStartIo") + count("Processor 1", "HwStorStartIo");
    assert!(starts >= reads + writes, "{slices:#?}");
    assert_eq!(count("Processor 0", "HwStorResetBus"), 2, "{slices:#?}");
    assert_eq!(count("System thread 0", "DriverEntry"), 1);
    assert_eq!(count("Adapter", "running"), 1);
    assert!(count("Admin queue", "Identify") > 0);
    for track in ["IRQL", "Requests in flight", "Event log"] {
        assert!(names.values().any(|name| name == track), "no track {track}");
    }
}
