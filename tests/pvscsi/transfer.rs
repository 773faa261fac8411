//! Data through the driver: by messages and by the line, on one processor and on several, in both forms of SRB.

use ferronvme_tests::rig::{Rig, source};
use portlab::{
    model::SrbForm,
    workload::{
        progress::Silent,
        transfer::{self, Incident, Options, Phase, outside},
    },
};

use crate::{setup, start, targets};

#[test]
fn the_start_up_commands_are_answered_by_every_disk() {
    let rig = start("size=8M,disks=3");
    let startup = rig.startup();
    assert_eq!(targets(startup.disks()), [0, 1, 2]);
    let serials: Vec<_> = startup
        .units
        .iter()
        .map(|unit| unit.serial.as_deref().unwrap_or_default())
        .collect();
    assert_eq!(serials, ["FERROPORT0", "FERROPORT0-2", "FERROPORT0-3"]);
    assert_eq!(rig.lab.limits().messages, 1);
    rig.finish();
}

#[test]
fn data_survives_on_all_processors_whatever_the_seed() {
    for (interrupts, processors, seed) in [
        ("msi", 1, 1),
        ("msi", 2, 2),
        ("msi", 4, 3),
        ("line", 1, 4),
        ("line", 2, 5),
        ("line", 4, 6),
    ] {
        let mut setup = setup(&format!("size=16M,interrupts={interrupts}"));
        (setup.processors, setup.seed) = (processors, seed);
        let rig = Rig::put(setup).started();
        let messages = u16::from(interrupts == "msi");
        assert_eq!(rig.lab.limits().messages, messages, "{interrupts}");
        let startup = rig.startup();
        let source = source(16 << 20);
        let options = Options {
            incidents: vec![
                (Phase::Write, 400, Incident::ResetBus),
                (Phase::Read, 600, Incident::ResetBus),
            ],
            ..Options::quiet(seed)
        };
        let traffic = rig
            .traffic_with(&startup, &source, &options)
            .unwrap_or_else(|error| panic!("{interrupts}, {processors}, {seed}: {error}"));
        assert_eq!(traffic.bytes_verified, 16 << 20);
        assert!(traffic.resets >= 2, "{traffic:?}");
        assert!(rig.lab.statistics().interrupts > 0);
        rig.finish();
    }
}

#[test]
fn several_disks_are_written_at_once_and_hold_it() {
    let rig = start("size=8M,disks=3");
    let startup = rig.startup();
    let sources = [3, 5, 7].map(|mebibytes| source(mebibytes << 20));
    std::thread::scope(|scope| {
        for (unit, source) in startup.disks().zip(&sources) {
            let rig = &rig;
            scope.spawn(move || {
                let options = Options::quiet(unit.unit.target.into());
                let traffic = transfer::run(&rig.disk(), unit, source, &options, &Silent);
                traffic.unwrap_or_else(|error| panic!("{:?}: {error}", unit.unit));
            });
        }
    });
    assert!(rig.lab.remove().clean);
    rig.insist_on_rules();
    rig.device.power_off().expect("QEMU quits");
    for (number, source) in (1..).zip(&sources) {
        let image = rig.device.image(number).expect("an image");
        outside::compare(source, |buffer, offset| image.read_at(buffer, offset))
            .unwrap_or_else(|error| panic!("disk {number}: {error}"));
    }
}

#[test]
fn requests_of_the_older_form_are_served() {
    let mut setup = setup("size=8M");
    setup.srb_form = SrbForm::Legacy;
    let rig = Rig::put(setup).started();
    let startup = rig.startup();
    let source = source(8 << 20);
    rig.traffic(&startup, &source, vec![(Phase::Write, 500, Incident::ResetBus)])
        .unwrap_or_else(|error| panic!("{error}"));
    rig.finish();
}
