//! Resets of units, targets and the bus with requests in flight.

use ferronvme_tests::rig::source;
use portlab::{
    model::{Address, SrbFunction},
    workload::transfer::{Incident, Phase},
};

use crate::start;

#[test]
fn a_unit_and_a_target_are_reset_under_load() {
    for interrupts in ["msi", "line"] {
        let rig = start(&format!("size=16M,disks=2,interrupts={interrupts}"));
        let startup = rig.startup();
        let source = source(16 << 20);
        let reset = |function: fn() -> SrbFunction| {
            let rig = &rig;
            move || {
                let outcome = rig.lab.srb_function(function(), Address::default());
                assert!(outcome.is_success(), "{outcome}");
            }
        };
        let unit = reset(|| SrbFunction::ResetLogicalUnit);
        let target = reset(|| SrbFunction::ResetDevice);
        let incidents = vec![
            (Phase::Write, 300, Incident::Call(&unit)),
            (Phase::Write, 600, Incident::Call(&target)),
            (Phase::Read, 300, Incident::Call(&target)),
            (Phase::Read, 600, Incident::Call(&unit)),
        ];
        let traffic = rig
            .traffic(&startup, &source, incidents)
            .unwrap_or_else(|error| panic!("{interrupts}: {error}"));
        assert_eq!(traffic.bytes_verified, 16 << 20);
        rig.finish();
    }
}

#[test]
fn an_absent_unit_is_not_reset() {
    let rig = start("size=8M");
    let absent = Address {
        path: 0,
        target: 9,
        lun: 0,
    };
    let outcome = rig.lab.srb_function(SrbFunction::ResetLogicalUnit, absent);
    assert!(!outcome.is_success(), "{outcome}");
    let _ = rig.startup();
    rig.finish();
}

#[test]
fn an_idle_adapter_survives_resets() {
    let rig = start("size=8M");
    for _ in 0..5 {
        let reset = rig.lab.reset_bus(0);
        assert!(reset.success && reset.left_behind == 0, "{reset:?}");
        let startup = rig.startup();
        assert_eq!(startup.disks().count(), 1);
    }
    rig.finish();
}
