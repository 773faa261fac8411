//! The example's packaged driver on QEMU's SCSI adapter.

mod hostile;
mod hot_plug;
mod lifecycle;
mod resets;
mod transfer;

use std::time::Duration;

use ferronvme_tests::{
    example_package,
    rig::{Rig, Setup},
};
use portlab::{
    model::{Address, Direction, Outcome, Request},
    workload::{cdb, startup::UnitReport},
};

/// The driver on `qemu:pvscsi` with these options.
fn setup(options: &str) -> Setup {
    let text = format!("qemu:pvscsi,ram=256M,{options}");
    let device = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    Setup::new(example_package("pvscsi"), &device)
}

/// As [`setup`], started.
fn start(options: &str) -> Rig {
    Rig::put(setup(options)).started()
}

/// INQUIRY of a unit.
fn inquiry(rig: &Rig, target: u8) -> Outcome {
    let buffer = rig.lab.buffer(36).expect("a buffer");
    rig.lab.execute(Request {
        processor: 0,
        address: Address {
            path: 0,
            target,
            lun: 0,
        },
        cdb: cdb::inquiry(None, 36),
        direction: Direction::In,
        buffer: Some(buffer),
        timeout: Duration::from_secs(10),
    })
}

/// Where the units are.
fn targets<'a>(units: impl Iterator<Item = &'a UnitReport>) -> Vec<u8> {
    units.map(|unit| unit.unit.target).collect()
}
