//! Controllers that grant fewer messages than the driver asks for: one.

use ferronvme_tests::rig::source;
use portlab::workload::transfer::{Incident, Phase};

use super::Bench;

const BYTES: u64 = 4 << 20;

fn works(device: &str, messages: u16) {
    let bench = Bench::start(device);
    assert_eq!(bench.lab.limits().messages, messages, "{device}");
    let reset = |phase| (phase, 500, Incident::ResetBus);
    let traffic = bench.traffic(BYTES, vec![reset(Phase::Write), reset(Phase::Read)]);
    assert_eq!(source(BYTES).length(), traffic.bytes_verified, "{device}");
    let statistics = bench.lab.statistics();
    assert!(statistics.interrupts > 0, "{device}: {statistics:#?}");
    assert_eq!(
        (statistics.time_outs, statistics.unclaimed_interrupts),
        (0, 0),
        "{device}: {statistics:#?}"
    );
    bench.finish();
}

#[test]
fn one_message_serves_all_queues() {
    works("lab:nvme,size=16M,vectors=1,ram=128M", 1);
}
