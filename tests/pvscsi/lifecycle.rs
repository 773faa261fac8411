//! Stop, restart, removal, and an adapter that vanishes.

use std::time::{Duration, Instant};

use ferronvme_tests::rig::source;
use portlab::workload::transfer::{Incident, Options, Phase};

use crate::start;

#[test]
fn a_restarted_adapter_works() {
    for interrupts in ["msi", "line"] {
        let rig = start(&format!("size=8M,interrupts={interrupts}"));
        let _ = rig.startup();
        for _ in 0..3 {
            rig.lab.stop().unwrap_or_else(|error| panic!("{error}"));
            rig.lab.restart().unwrap_or_else(|error| panic!("{error}"));
            let startup = rig.startup();
            let source = source(2 << 20);
            rig.traffic(&startup, &source, Vec::new())
                .unwrap_or_else(|error| panic!("{error}"));
        }
        rig.finish();
    }
}

#[test]
fn an_adapter_that_was_never_used_is_removed() {
    start("size=8M").finish();
    start("size=8M,interrupts=line").finish();
}

#[test]
fn an_adapter_that_vanishes_leaves_no_request_hanging() {
    let rig = start("size=32M");
    let startup = rig.startup();
    let source = source(32 << 20);
    let device = std::sync::Arc::clone(&rig.device);
    let kill = || device.kill();
    let started = Instant::now();
    let options = Options {
        timeout: Duration::from_secs(2),
        incidents: vec![(Phase::Write, 300, Incident::Call(&kill))],
        ..Options::quiet(5)
    };
    let result = rig.traffic_with(&startup, &source, &options);
    assert!(result.is_err(), "writes to an adapter that is gone succeed");
    assert!(
        started.elapsed() < Duration::from_mins(1),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(rig.lab.outstanding(), 0, "every request came back");
    rig.insist_on_rules();
    let _ = rig.lab.remove();
}
