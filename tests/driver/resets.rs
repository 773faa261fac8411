//! The controller is reset under load, or was left enabled by firmware.

use ferronvme_tests::rig::{Rig, source};
use portlab::workload::{
    cdb,
    transfer::{Incident, Phase},
};

#[test]
fn data_survives_resets_under_load() {
    let rig = Rig::start("size=32M");
    let startup = rig.startup();
    let incidents = [
        (Phase::Write, 200),
        (Phase::Write, 500),
        (Phase::Write, 800),
        (Phase::Read, 300),
        (Phase::Read, 700),
    ];
    let source = source(32 << 20);
    let incidents = incidents
        .map(|(phase, permille)| (phase, permille, Incident::ResetBus))
        .into();
    let traffic = rig
        .traffic(&startup, &source, incidents)
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(traffic.bytes_verified, 32 << 20);
    assert!(traffic.resets >= 5, "{traffic:?}");
    assert!(
        traffic.in_flight_at_reset >= traffic.resets,
        "each reset met a request in flight: {traffic:?}"
    );
    // The last reset may still be under way: a command waits for its end.
    let ready = rig.command(cdb::test_unit_ready());
    assert!(ready.is_success(), "{ready}");
    assert_eq!(rig.lab.outstanding(), 0);
    rig.finish();
}

#[test]
fn an_idle_adapter_survives_a_reset() {
    let rig = Rig::start("size=8M");
    for _ in 0..3 {
        let reset = rig.lab.reset_bus(0);
        assert!(reset.success && reset.left_behind == 0, "{reset:?}");
        let startup = rig.startup();
        assert_eq!(startup.disks().count(), 1);
    }
    rig.finish();
}

#[test]
fn a_controller_left_enabled_by_firmware_is_taken_over() {
    let rig = Rig::load("size=8M", |device| {
        let mut firmware = device.firmware();
        firmware.enable().expect("firmware enables the controller");
        firmware.create_io_queue(0).expect("firmware makes a queue");
        firmware.set_data(&[0x77; 4096]).expect("data");
        firmware.transfer(0x01, 0, 8).expect("firmware writes");
        assert!(firmware.is_ready(), "left enabled");
    });
    rig.lab.start().unwrap_or_else(|error| panic!("{error}"));
    let startup = rig.startup();
    let source = source(4 << 20);
    rig.traffic(&startup, &source, Vec::new())
        .unwrap_or_else(|error| panic!("{error}"));
    rig.finish();
}
