//! Asynchronous events make the driver's work item run.

use std::{
    thread,
    time::{Duration, Instant},
};

use ferronvme_tests::rig::Rig;

#[test]
fn a_critical_warning_runs_a_work_item() {
    let rig = Rig::start("size=8M");
    let _ = rig.startup();
    let before = rig.lab.statistics().work_items_run;
    rig.device.raise_smart_event().expect("the event is raised");
    rig.await_statistics("a work item", |statistics| statistics.work_items_run > before);
    // The driver asks for the next event: a second one arrives as well.
    let before = rig.lab.statistics().work_items_run;
    rig.device.raise_smart_event().expect("the event is raised");
    rig.await_statistics("a second work item", |statistics| {
        statistics.work_items_run > before
    });
    rig.finish();
}

#[test]
fn a_namespace_that_goes_and_comes_is_told_to_storport() {
    let rig = Rig::start("size=8M,namespaces=2,subsystem=on");
    assert_eq!(rig.startup().disks().count(), 2);
    let _ = rig.lab.take_state_changes();
    for (attached, units) in [(false, 1), (true, 2)] {
        let before = rig.lab.statistics().state_changes;
        rig.device
            .attach_namespace(2, attached)
            .expect("the namespace changes");
        rig.await_statistics("a state change", |statistics| statistics.state_changes > before);
        // It is counted when it is told, and noted when it is dealt with.
        let deadline = Instant::now() + Duration::from_secs(10);
        while rig.lab.take_state_changes().is_empty() {
            assert!(Instant::now() < deadline, "told and not dealt with");
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(rig.startup().disks().count(), units, "attached: {attached}");
    }
    rig.finish();
}
