//! Disks that come and go while the adapter runs.

use std::time::Duration;

use portlab::workload::{progress::Silent, startup};

use crate::{inquiry, start, targets};

#[test]
fn a_plugged_disk_is_told_and_found_and_an_unplugged_one_is_gone() {
    for interrupts in ["msi", "line"] {
        let rig = start(&format!("size=8M,interrupts={interrupts}"));
        assert_eq!(targets(rig.startup().disks()), [0]);
        rig.device.plug_disk(5, 1 << 20).expect("plugged");
        rig.await_statistics("a notification", |statistics| statistics.state_changes == 1);
        let found = startup::run(&rig.disk(), &Silent);
        assert_eq!(targets(found.disks()), [0, 5]);

        rig.device.unplug_disk(5).expect("unplugged");
        rig.await_statistics("another notification", |statistics| statistics.state_changes == 2);
        assert!(inquiry(&rig, 5).is_absent());
        rig.finish();
    }
}

#[test]
fn several_changes_at_once_end_in_the_last_state() {
    let rig = start("size=8M");
    let _ = rig.startup();
    for target in 3..8 {
        rig.device.plug_disk(target, 1 << 20).expect("plugged");
    }
    rig.await_statistics("a notification", |statistics| statistics.state_changes >= 1);
    std::thread::sleep(Duration::from_millis(100));
    let found = startup::run(&rig.disk(), &Silent);
    assert_eq!(targets(found.disks()), [0, 3, 4, 5, 6, 7]);
    rig.finish();
}
