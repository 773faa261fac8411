//! What the driver tells when something happens to it: ETW events, the event log, the trace ring.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use ferronvme_tests::rig::source;
use portlab::{
    model::{EtwEvent, EventRecord, TraceRing},
    workload::{
        progress::Silent,
        transfer::{self, Options},
    },
};

use super::{Bench, Incident, Phase};

const BYTES: u64 = 4 << 20;

/// What one life left behind.
struct Told {
    events: Vec<EtwEvent>,
    log: Vec<EventRecord>,
    ring: TraceRing,
}

impl Told {
    fn ids(&self) -> Vec<u32> {
        self.events.iter().map(|event| event.id).collect()
    }

    /// The value of an event of that id; the first one's.
    fn value(&self, id: u32, name: &str) -> u64 {
        let event = self.events.iter().find(|event| event.id == id);
        let event = event.unwrap_or_else(|| panic!("no event {id} in {:?}", self.ids()));
        let value = event.values.iter().find(|value| value.name == name);
        value
            .unwrap_or_else(|| panic!("{} has no {name}", event.text()))
            .value
    }

    fn has_in_order(&self, ids: &[u32]) {
        let mut rest = self.ids().into_iter();
        for id in ids {
            assert!(
                rest.any(|found| found == *id),
                "{id} of {ids:?} is not in {:?}",
                self.ids()
            );
        }
    }

    fn entry(&self, id: u32) -> &str {
        let entry = self.log.iter().find(|entry| entry.id == id);
        let Some(entry) = entry else {
            panic!("no entry {id} in {:#?}", self.log);
        };
        &entry.text
    }
}

/// Ends the life, and checks that the ring has what ETW was told.
fn end(bench: &Bench) -> Told {
    let removal = bench.lab.remove();
    assert!(removal.clean, "{removal:#?}");
    let told = Told {
        events: bench.lab.etw_events(),
        log: bench.lab.event_log(),
        ring: bench.lab.trace_ring().expect("a trace ring"),
    };
    assert!(bench.lab.violations().is_empty(), "{:#?}", bench.lab.violations());
    assert_eq!((told.ring.handed_on, told.ring.lost), (told.ring.begun, 0));
    let kept: Vec<_> = told
        .ring
        .records
        .iter()
        .map(|record| {
            (
                record.id,
                record.name.clone().expect("a name"),
                record.values.clone(),
            )
        })
        .collect();
    let written: Vec<_> = told
        .events
        .iter()
        .map(|event| (event.id, event.name.clone(), event.values.clone()))
        .collect();
    let newest = written.len().saturating_sub(kept.len());
    assert_eq!(kept, written[newest..], "the ring has the newest events");
    assert!(told.ring.records.is_sorted_by_key(|record| record.time_us));
    told
}

fn under(faults: &str) -> Bench {
    Bench::start(&format!(
        "lab:nvme,size=16M,ram=128M,namespaces=2,faults={faults}"
    ))
}

#[test]
fn a_quiet_life_tells_its_beginning_and_its_end() {
    let bench = Bench::start("lab:nvme,size=16M,ram=128M,namespaces=2");
    bench.traffic(BYTES, Vec::new());
    let told = end(&bench);
    // Nothing of its requests.
    assert_eq!(told.ids(), [1001, 1007, 1134, 1002, 1004, 1005]);
    assert_eq!(told.value(1002, "namespaces"), 2);
    assert_eq!(told.value(1134, "added"), 3);
    assert!(told.log.is_empty(), "{:#?}", told.log);
}

#[test]
fn a_reset_is_told_with_its_reason_and_its_time() {
    let bench = Bench::start("lab:nvme,size=16M,ram=128M");
    bench.traffic(BYTES, vec![(Phase::Write, 500, Incident::ResetBus)]);
    let told = end(&bench);
    told.has_in_order(&[1007, 1101, 1102, 1007, 1004]);
    assert_eq!(told.value(1101, "reason"), 1);
    assert_eq!(told.value(1102, "failure"), 0);
    assert!(told.value(1102, "duration_us") > 0);
    let entry = told.entry(1101);
    assert!(
        entry
            .starts_with("\\Device\\RaidPort0: the NVMe controller is being reset (reason 0x1, in_flight 0x"),
        "{entry}"
    );
}

#[test]
fn failed_commands_are_told_with_their_status_and_not_all_of_them() {
    let bench = under("status=2/0x81+opcode=io:0x02+nth=5+times=60");
    let startup = bench.startup();
    let disk = startup.disks().next().expect("a disk");
    let read = transfer::run(&bench.disk(), disk, &source(BYTES), &Options::quiet(3), &Silent);
    assert!(read.is_err(), "unrecovered read errors end the traffic");
    let told = end(&bench);
    assert_eq!(told.value(1121, "status"), 0x281);
    assert!(matches!(told.value(1121, "operation"), 0x28 | 0x88));
    // The traffic has more than 16 reads under way, which fail together.
    let failed = told.ring.records.iter().filter(|record| record.id == 1121);
    let mut seconds = BTreeMap::<u64, usize>::new();
    for record in failed {
        *seconds.entry(record.time_us / 1_000_000).or_default() += 1;
    }
    assert!(seconds.values().all(|count| *count <= 16), "{seconds:?}");
}

#[test]
fn a_wrong_completion_a_time_out_and_aborts_are_told() {
    let bench = under("wrong-command+opcode=io:0x01+nth=20");
    bench.traffic(BYTES, Vec::new());
    let told = end(&bench);
    told.has_in_order(&[1122, 1111, 1113, 1114, 1112, 1101, 1102, 1007]);
    assert_eq!(told.value(1122, "queue"), told.value(1122, "named_queue"));
    assert_eq!(told.value(1111, "namespace"), 1);
}

#[test]
fn asynchronous_events_are_told_with_what_they_led_to() {
    let bench = Bench::start("lab:nvme,size=8M,ram=128M");
    bench.startup();
    bench
        .device
        .raise_smart_event()
        .expect("the controller tells events");
    let deadline = Instant::now() + Duration::from_secs(10);
    while !bench
        .lab
        .etw_events()
        .iter()
        .any(|event| matches!(event.id, 1132 | 1133))
    {
        assert!(Instant::now() < deadline, "{:#?}", bench.lab.etw_events());
        std::thread::sleep(Duration::from_millis(5));
    }
    let told = end(&bench);
    told.has_in_order(&[1131]);
    // Type 1, SMART / health, log page 02h.
    assert_eq!(told.value(1131, "result") & 0xFF_0007, 0x02_0001);
}

#[test]
fn a_start_that_fails_is_told_with_its_reason() {
    let refused = Bench::refused("lab:nvme,size=8M,ram=128M,timeout=1000,faults=not-ready");
    let ids: Vec<_> = refused.etw_events().iter().map(|event| event.id).collect();
    assert_eq!(ids, [1103, 1003]);
    let log = refused.event_log();
    // CSTS.RDY was not set in time.
    assert!(
        log.iter()
            .any(|entry| entry.id == 1003 && entry.text.contains("(phase 0x1, failure 0xb, detail 0x0)")),
        "{log:#?}"
    );
}
