//! Start, stop, restart, removal, and a device that vanishes.

use std::time::{Duration, Instant};

use ferronvme_tests::rig::{Rig, source};
use portlab::workload::{
    disk::{Disk as _, Function},
    transfer::{Incident, Options, Phase},
};

#[test]
fn a_removal_leaks_nothing() {
    let rig = Rig::start("size=8M");
    let startup = rig.startup();
    let source = source(2 << 20);
    rig.traffic(&startup, &source, Vec::new())
        .unwrap_or_else(|error| panic!("{error}"));
    let unit = startup.units[0].unit;
    for function in [Function::Flush, Function::Shutdown] {
        let outcome = rig.disk().function(function, unit);
        assert!(outcome.is_success(), "{function:?}: {outcome}");
    }
    assert_eq!(rig.lab.outstanding(), 0);
    rig.finish();
}

#[test]
fn an_adapter_that_was_never_used_is_removed() {
    Rig::start("size=8M").finish();
}

#[test]
fn an_adapter_is_removed_in_the_middle_of_a_recovery() {
    for _ in 0..5 {
        let rig = Rig::start("size=8M");
        let _ = rig.startup();
        let reset = rig.lab.reset_bus(0);
        assert!(reset.success, "{reset:?}");
        rig.finish();
    }
}

#[test]
fn a_restarted_adapter_works() {
    let rig = Rig::start("size=8M");
    let _ = rig.startup();
    for _ in 0..2 {
        rig.lab.stop().unwrap_or_else(|error| panic!("{error}"));
        rig.lab.restart().unwrap_or_else(|error| panic!("{error}"));
        let startup = rig.startup();
        let source = source(1 << 20);
        rig.traffic(&startup, &source, Vec::new())
            .unwrap_or_else(|error| panic!("{error}"));
    }
    rig.finish();
}

#[test]
fn a_device_that_vanishes_leaves_no_request_hanging() {
    let rig = Rig::start("size=32M");
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
    assert!(result.is_err(), "writes to a device that is gone succeed");
    assert!(
        started.elapsed() < Duration::from_mins(1),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(rig.lab.outstanding(), 0, "every request came back");
    rig.insist_on_rules();
    let _ = rig.lab.remove();
}
