//! Commands about the device behind the unit, by the packaged driver, on the controller that has them.

use std::time::Duration;

use portlab::model::{Address, Direction, Outcome, Request};

use super::Bench;

/// GOOD, or sense key, additional sense code and qualifier.
type Sense = Result<(), [u8; 3]>;

/// Sends `cdb`; data to the device if there are any, else room for `room` bytes of an answer. The outcome, and what the buffer
/// then holds.
fn send(bench: &Bench, cdb: &[u8], data: &[u8], room: usize) -> (Outcome, Vec<u8>) {
    let length = data.len().max(room);
    let direction = match (data.len(), room) {
        (0, 0) => Direction::None,
        (0, _) => Direction::In,
        _ => Direction::Out,
    };
    let buffer = (length != 0).then(|| {
        let buffer = bench.lab.buffer(length).unwrap_or_else(|error| panic!("{error}"));
        buffer.fill(0x5A);
        buffer.write(0, data);
        buffer
    });
    let outcome = bench.lab.execute(Request {
        processor: 0,
        address: Address::default(),
        cdb: cdb.to_vec(),
        direction,
        buffer: buffer.clone(),
        timeout: Duration::from_secs(10),
    });
    let mut held = vec![0; length];
    if let Some(buffer) = buffer {
        buffer.read(0, &mut held);
    }
    (outcome, held)
}

/// The sense of an outcome; one without is a failure of the test.
fn sense(outcome: &Outcome) -> Sense {
    if outcome.is_success() {
        return Ok(());
    }
    match outcome.sense[..] {
        [_, _, key, _, _, _, _, _, _, _, _, _, code, qualifier, ..] => Err([key, code, qualifier]),
        _ => panic!("neither GOOD nor sense: {outcome}"),
    }
}

/// REPORT SUPPORTED OPERATION CODES says that there is this command, or service action of it.
fn is_told(bench: &Bench, opcode: u8, action: Option<u8>) -> bool {
    let options = if action.is_some() { 2 } else { 1 };
    let cdb = [
        0xA3,
        0x0C,
        options,
        opcode,
        0,
        action.unwrap_or(0),
        0,
        0,
        0,
        64,
        0,
        0,
    ];
    let (outcome, answer) = send(bench, &cdb, &[], 64);
    assert_eq!(sense(&outcome), Ok(()));
    answer[1] == 3
}

/// SECURITY PROTOCOL IN or OUT.
fn security(opcode: u8, protocol: u8, specific: u16, length: usize) -> [u8; 12] {
    let [high, low] = specific.to_be_bytes();
    let [a, b, c, d] = u32::try_from(length).unwrap_or(0).to_be_bytes();
    [opcode, protocol, high, low, 0, 0, a, b, c, d, 0, 0]
}

#[test]
fn security_protocols_are_spoken_through_the_driver() {
    let bench = Bench::start("lab:nvme,size=8M,ram=128M");
    assert!(is_told(&bench, 0xA2, None) && is_told(&bench, 0xB5, None));
    // The list of protocols; the controller writes no more than there is.
    let (outcome, list) = send(&bench, &security(0xA2, 0, 0, 512), &[], 512);
    assert_eq!((sense(&outcome), outcome.transferred), (Ok(()), 512));
    assert_eq!(list[..11], [0, 0, 0, 0, 0, 0, 0, 2, 0x00, 0xF0, 0x5A]);
    // Messages of one page, two, and a list of them, each to its own mailbox, received in another order.
    let messages = [512, 8192, 65_536].map(|length: usize| {
        let bytes = (0_usize..length).map(|at| u8::try_from(at * 7 % 251).unwrap_or(0));
        bytes.collect::<Vec<u8>>()
    });
    for (specific, message) in (0..).zip(&messages) {
        let (outcome, _) = send(&bench, &security(0xB5, 0xF0, specific, message.len()), message, 0);
        assert_eq!(sense(&outcome), Ok(()));
        assert_eq!(usize::try_from(outcome.transferred), Ok(message.len()));
    }
    for (specific, message) in [0, 1, 2].into_iter().zip(&messages).rev() {
        let cdb = security(0xA2, 0xF0, specific, message.len());
        let (outcome, answer) = send(&bench, &cdb, &[], message.len());
        assert_eq!(sense(&outcome), Ok(()));
        assert!(answer == *message, "{} bytes", message.len());
    }
    // What the controller refuses: an empty mailbox (Command Sequence Error), an unknown protocol (Invalid Field).
    let (empty, _) = send(&bench, &security(0xA2, 0xF0, 0, 512), &[], 512);
    assert_eq!(sense(&empty), Err([0x5, 0x2C, 0x00]));
    let (unknown, _) = send(&bench, &security(0xA2, 0x01, 0, 512), &[], 512);
    assert_eq!(sense(&unknown), Err([0x5, 0x24, 0x00]));
    bench.finish();
}

#[test]
fn a_controller_without_them_has_no_such_commands() {
    let bench = Bench::start("lab:nvme,size=8M,ram=128M,management=off");
    for (cdb, action) in [
        (security(0xA2, 0, 0, 512), None),
        (security(0xB5, 0xF0, 0, 512), None),
    ] {
        assert!(!is_told(&bench, cdb[0], action), "{:#x}", cdb[0]);
        let (outcome, _) = send(&bench, &cdb, &[], 0);
        assert_eq!(sense(&outcome), Err([0x5, 0x20, 0x00]), "{:#x}", cdb[0]);
    }
    bench.finish();
}

/// A controller with a single queue pair: the driver has no queue for exchanges, says so, and serves those with admin commands.
#[test]
fn a_single_queue_pair_is_enough_for_admin_commands() {
    let bench = Bench::start("lab:nvme,size=8M,ram=128M,queues=1");
    for opcode in [0x41, 0x42, 0x93, 0x2E] {
        assert!(!is_told(&bench, opcode, None), "{opcode:#x}");
        let mut cdb = [0; 16];
        (cdb[0], cdb[8]) = (opcode, 1);
        let (outcome, _) = send(&bench, &cdb, &[0; 512], 0);
        assert_eq!(sense(&outcome), Err([0x5, 0x20, 0x00]), "{opcode:#x}");
    }
    let (outcome, page) = send(&bench, &[0x4D, 0, 0x4D, 0, 0, 0, 0, 0, 64, 0], &[], 64);
    assert_eq!((sense(&outcome), page[0]), (Ok(()), 0x0D));
    let (outcome, list) = send(&bench, &security(0xA2, 0, 0, 512), &[], 512);
    assert_eq!((sense(&outcome), list[7]), (Ok(()), 2));
    // MODE SELECT of the write cache: off, and it is off.
    let mut caching = vec![0; 24];
    (caching[4], caching[5]) = (0x08, 0x12);
    let (outcome, _) = send(&bench, &[0x15, 0x10, 0, 0, 24, 0], &caching, 0);
    assert_eq!(sense(&outcome), Ok(()));
    let (outcome, page) = send(&bench, &[0x1A, 8, 0x08, 0, 64, 0], &[], 64);
    assert_eq!((sense(&outcome), page[6] & 4), (Ok(()), 0));
    bench.finish();
}
