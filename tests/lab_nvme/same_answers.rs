//! Two controllers of different authors, one driver: the same answers to the same commands.

use std::time::Duration;

use portlab::model::{Address, Direction, Request};

use super::Bench;

/// Commands whose answer does not depend on who made the controller; an odd one out is a mistake of the lab's.
const COMMANDS: [(&str, &[u8], Direction, usize); 16] = [
    ("TEST UNIT READY", &[0; 6], Direction::None, 0),
    (
        "READ CAPACITY (10)",
        &[0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        Direction::In,
        8,
    ),
    (
        "READ CAPACITY (16)",
        &[0x9E, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0],
        Direction::In,
        32,
    ),
    (
        "READ (10), first block",
        &[0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0],
        Direction::In,
        512,
    ),
    (
        "READ (10), nothing",
        &[0x28, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        Direction::None,
        0,
    ),
    (
        "READ (10), last block",
        &[0x28, 0, 0, 0, 0x3F, 0xFF, 0, 0, 1, 0],
        Direction::In,
        512,
    ),
    (
        "READ (10), over the end",
        &[0x28, 0, 0, 0, 0x3F, 0xFF, 0, 0, 2, 0],
        Direction::In,
        1024,
    ),
    (
        "READ (16), far beyond",
        &[0x88, 0, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0],
        Direction::In,
        512,
    ),
    (
        "WRITE (10)",
        &[0x2A, 0, 0, 0, 0, 9, 0, 0, 1, 0],
        Direction::Out,
        512,
    ),
    (
        "WRITE (10), FUA",
        &[0x2A, 8, 0, 0, 0, 9, 0, 0, 1, 0],
        Direction::Out,
        512,
    ),
    (
        "READ (10), what was written",
        &[0x28, 0, 0, 0, 0, 9, 0, 0, 1, 0],
        Direction::In,
        512,
    ),
    (
        "SYNCHRONIZE CACHE (10)",
        &[0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        Direction::None,
        0,
    ),
    (
        "MODE SENSE (6), caching",
        &[0x1A, 0, 0x08, 0, 192, 0],
        Direction::In,
        192,
    ),
    (
        "REPORT LUNS",
        &[0xA0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0],
        Direction::In,
        256,
    ),
    (
        "INQUIRY, supported pages",
        &[0x12, 1, 0, 0, 255, 0],
        Direction::In,
        255,
    ),
    ("no command", &[0xC7, 0, 0, 0, 0, 0], Direction::None, 0),
];

fn answers(bench: &Bench) -> Vec<(String, Vec<u8>)> {
    COMMANDS
        .iter()
        .map(|(name, cdb, direction, length)| {
            let buffer = (*length != 0).then(|| {
                let buffer = bench
                    .lab
                    .buffer(*length)
                    .unwrap_or_else(|error| panic!("{error}"));
                buffer.fill(0x5A);
                buffer
            });
            let outcome = bench.lab.execute(Request {
                processor: 0,
                address: Address::default(),
                cdb: cdb.to_vec(),
                direction: *direction,
                buffer: buffer.clone(),
                timeout: Duration::from_secs(10),
            });
            let count = usize::try_from(outcome.transferred).unwrap_or(0).min(*length);
            let mut data = vec![0; if outcome.is_success() { count } else { 0 }];
            if let Some(buffer) = buffer {
                buffer.read(0, &mut data);
            }
            (format!("{name}: {outcome}"), data)
        })
        .collect()
}

#[test]
fn the_same_driver_answers_alike_on_both_controllers() {
    let qemu = Bench::start("qemu:nvme,size=8M,ram=128M");
    let expected = answers(&qemu);
    let names = |bench: &Bench| -> Vec<_> {
        let startup = bench.startup();
        let checks = startup.checks.iter();
        checks
            .map(|check| (check.command.clone(), check.verdict))
            .collect()
    };
    let expected_checks = names(&qemu);
    qemu.finish();
    let own = Bench::start("lab:nvme,size=8M,ram=128M");
    for (own, qemu) in answers(&own).iter().zip(&expected) {
        assert_eq!(own, qemu);
    }
    assert_eq!(names(&own), expected_checks);
    own.finish();
}
