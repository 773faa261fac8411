//! Shadow doorbells: a controller that offers them is told of queues in memory, also after each reset, and one that lies about
//! what it has seen costs a register write or a reset, and never data.

use portlab::workload::transfer::{Incident, Phase};

use super::Bench;

const BYTES: u64 = 4 << 20;

/// Traffic under a fault plan, with that many entries in the largest queue. The number of requests that the
/// port driver had to end.
fn survive(entries: u32, faults: &str) -> u64 {
    survive_at(32, BYTES, entries, faults)
}

/// The same with that many requests in flight, and bytes in all.
fn survive_at(depth: usize, bytes: u64, entries: u32, faults: &str) -> u64 {
    let device = format!("lab:nvme,size=16M,ram=128M,shadow=on,entries={entries}");
    let bench = Bench::start(&if faults.is_empty() {
        device
    } else {
        format!("{device},faults={faults}")
    });
    let traffic = bench.traffic_at(depth, bytes, Vec::new());
    assert_eq!(traffic.bytes_verified, bytes, "{faults}");
    let time_outs = bench.lab.statistics().time_outs;
    bench.finish();
    time_outs
}

#[test]
fn traffic_needs_no_more_than_the_shadow_doorbells() {
    for entries in [4, 64, 256, 2048] {
        assert_eq!(survive(entries, ""), 0, "{entries} entries");
    }
}

#[test]
fn a_reset_tells_the_controller_of_them_again() {
    // The second life is told, too: its lie is heard.
    let faults = "event-index=0+opcode=admin:0x7C+nth=2";
    let device = format!("lab:nvme,size=16M,ram=128M,shadow=on,faults={faults}");
    let bench = Bench::start(&device);
    let incidents = [(Phase::Write, 50), (Phase::Write, 950), (Phase::Read, 500)];
    let incidents = incidents.map(|(phase, permille)| (phase, permille, Incident::ResetBus));
    // One request at a time: no other finds the one that the controller sleeps on.
    let traffic = bench.traffic_at(1, BYTES, incidents.into());
    assert_eq!(traffic.bytes_verified, BYTES);
    let time_outs = bench.lab.statistics().time_outs;
    assert!(
        time_outs > 0,
        "the second life reads its queues from memory, and lies"
    );
    bench.finish();
}

#[test]
fn a_controller_that_refuses_them_is_told_by_its_registers() {
    let refusal = "status=0/0x02+opcode=admin:0x7C+times=all";
    assert_eq!(survive(256, refusal), 0);
    // Nothing is read from memory then: what would be a lie is none.
    assert_eq!(
        survive(
            256,
            &format!("{refusal};event-index=0+opcode=io:0x01+nth=20+times=all")
        ),
        0
    );
}

#[test]
fn an_event_index_that_is_none_costs_register_writes_alone() {
    for index in [256, 0xFFFF, u32::MAX] {
        let faults = format!("event-index={index}+opcode=io:0x01+nth=20+times=all");
        assert_eq!(survive(256, &faults), 0, "{index:#x}");
    }
}

/// The register is not written for what the controller claims to have seen: it goes to sleep with requests before it. While
/// requests come the next pass over the ring finds them; the port driver's time-out finds the last one.
#[test]
fn a_doorbell_lost_by_an_event_index_is_found_again() {
    for (entries, index) in [(256, 0), (256, 255), (16, 7)] {
        let faults = format!("event-index={index}+opcode=io:0x01");
        survive(entries, &format!("{faults}+nth=20"));
        // Few bytes: a reset of the unit leaves the lie, and each request waits for its time-out.
        let alone = survive_at(1, BYTES / 8, entries, &format!("{faults}+nth=2"));
        assert!(alone > 0, "{index} of {entries}");
    }
}
