//! Commands about the device behind the unit: what each asks of the controller.

mod fixture;

use fixture::{Bench, invalid_byte};
use nvme::{NamespaceId, Status};
use scsi::sense::Sense;
use scsi_nvme::{
    Area, Command, Data, DataDirection, Eraser, Exchange, Formats, Next, Outcome, Queue, Translation, outcome,
};

/// An area that nobody touches: the data are in the request's own buffer.
struct NoArea;

impl Area for NoArea {
    fn write(&mut self, _: usize, _: &[u8]) {
        panic!("written to");
    }

    fn read(&self, _: usize, _: &mut [u8]) {
        panic!("read");
    }
}

const SUCCESS: Status = Status::new();

/// The first command of the exchange of `cdb`.
#[track_caller]
fn begin(bench: &Bench, cdb: &[u8]) -> (Exchange, Command) {
    let Translation::Exchange(mut exchange) = bench.translation(cdb) else {
        panic!("no exchange: {:?}", bench.translation(cdb));
    };
    let mut unread: &[u8] = &[];
    match exchange.begin(&mut unread, &mut NoArea) {
        Next::Submit(command) => (exchange, command),
        other => panic!("nothing is submitted: {other:?}"),
    }
}

fn bench(direction: DataDirection, data_length: u32) -> Bench {
    Bench {
        data_direction: direction,
        data_length,
        ..Bench::default()
    }
}

/// REPORT SUPPORTED OPERATION CODES for one command: SUPPORT.
fn support(bench: &Bench, opcode: u8, action: Option<u8>) -> u8 {
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
        1,
        0,
        0,
        0,
    ];
    bench.answer(&cdb)[1]
}

fn security(opcode: u8, increments: u8, length: u32) -> [u8; 12] {
    let [a, b, c, d] = length.to_be_bytes();
    [opcode, 0xEF, 0x12, 0x34, increments, 0, a, b, c, d, 0, 0]
}

#[test]
fn security_protocol_becomes_security_send_and_receive() {
    for (opcode, direction, nvme) in [(0xA2, DataDirection::In, 0x82), (0xB5, DataDirection::Out, 0x81)] {
        let bench = bench(direction, 2048);
        for (increments, length, bytes) in [(0, 512, 512), (0x80, 3, 1536), (0, 7, 7), (0, 0, 0)] {
            let (mut exchange, command) = begin(&bench, &security(opcode, increments, length));
            assert_eq!(command.entry.opcode(), nvme);
            assert_eq!(
                (
                    command.entry.namespace,
                    command.entry.dword10,
                    command.entry.dword11
                ),
                (NamespaceId::NONE, 0xEF12_3400, bytes)
            );
            let data = if bytes == 0 { Data::None } else { Data::Buffer };
            assert_eq!(
                (command.data, command.bytes, command.queue),
                (data, bytes, Queue::Admin)
            );
            assert_eq!(exchange.buffer_bytes(), [bytes, 0]);
            assert_eq!(
                exchange.resume(SUCCESS, &NoArea),
                Next::Done { transferred: bytes }
            );
        }
        let (mut exchange, _) = begin(&bench, &security(opcode, 0, 16));
        let refused = Status::from_bits(2 << 1);
        assert_eq!(exchange.resume(refused, &NoArea), Next::Fail(outcome(refused)));
    }
}

#[test]
fn security_protocol_stays_within_the_buffer_and_the_transfer_limit() {
    // An allocation length is a limit; a transfer length is a promise.
    let (exchange, command) = begin(&bench(DataDirection::In, 100), &security(0xA2, 0x80, u32::MAX));
    assert_eq!((command.bytes, exchange.buffer_bytes()), (100, [100, 0]));
    bench(DataDirection::Out, 100).fails(&security(0xB5, 0, 101), invalid_byte(6));
    bench(DataDirection::Out, 100).fails(&security(0xB5, 0x80, u32::MAX), invalid_byte(6));
    let mut small = bench(DataDirection::Either, 8192);
    small.controller.max_transfer_bytes = 4096;
    small.fails(&security(0xB5, 0, 4097), invalid_byte(6));
    small.fails(&security(0xA2, 0, 4097), invalid_byte(6));
    bench(DataDirection::Out, 100).fails(&security(0xA2, 0, 100), invalid_byte(0));
    bench(DataDirection::In, 100).fails(&security(0xB5, 0, 100), invalid_byte(0));
}

#[test]
fn security_protocol_is_there_where_the_controller_has_it() {
    let mut bench = bench(DataDirection::In, 512);
    for opcode in [0xA2, 0xB5] {
        assert_eq!(support(&bench, opcode, None), 3);
    }
    bench.controller.features.security = false;
    for opcode in [0xA2, 0xB5] {
        assert_eq!(support(&bench, opcode, None), 1);
        bench.fails(&security(opcode, 0, 512), Sense::INVALID_OPCODE);
    }
}

/// On a controller with a single queue pair: what exchanges with I/O commands serve is not there, and said not to be; what
/// exchanges with admin commands serve is.
#[test]
fn without_a_queue_for_exchanges_only_their_io_commands_are_missing() {
    let mut bench = Bench::default();
    bench.controller.features.io_exchanges = false;
    for opcode in [0x41, 0x93, 0x2E, 0x8E, 0xAE] {
        assert_eq!(support(&bench, opcode, None), 1, "{opcode:#x}");
        let mut cdb = [0; 16];
        (cdb[0], cdb[8]) = (opcode, 1);
        bench.fails(&cdb, Sense::INVALID_OPCODE);
    }
    // VERIFY (10) by Verify; without it there is none.
    assert_eq!(support(&bench, 0x2F, None), 3);
    bench.fails(&[0x2F, 6, 0, 0, 0, 0, 0, 0, 1, 0], fixture::invalid_bit(1, 2));
    bench.controller.features.verify = false;
    assert_eq!(support(&bench, 0x2F, None), 1);
    // MAXIMUM WRITE SAME LENGTH of VPD page B0h.
    assert_eq!(bench.answer(&fixture::inquiry(Some(0xB0), 64))[36..44], [0; 8]);
    bench.data_direction = DataDirection::In;
    for opcode in [0x4D, 0xA2] {
        let mut cdb = [0; 12];
        (cdb[0], cdb[2], cdb[8]) = (opcode, if opcode == 0x4D { 0x0D } else { 0 }, 64);
        assert!(
            matches!(bench.translation(&cdb), Translation::Exchange(_)),
            "{opcode:#x}"
        );
    }
}

#[test]
fn a_failure_of_the_controller_is_told_by_the_table() {
    for (bits, status) in [(0x06_u16, 0x006_u16), (0x15, 0x015)] {
        let (mut exchange, _) = begin(&bench(DataDirection::In, 512), &security(0xA2, 0, 512));
        let failed = exchange.resume(Status::from_bits(bits << 1), &NoArea);
        let expected = outcome(Status::from_bits(status << 1));
        assert_ne!(expected, Outcome::GOOD);
        assert_eq!(failed, Next::Fail(expected));
    }
}

fn write_buffer(mode: u8, slot: u8, offset: u32, length: u32) -> [u8; 10] {
    let [_, o2, o1, o0] = offset.to_be_bytes();
    let [_, l2, l1, l0] = length.to_be_bytes();
    [0x3B, mode, slot, o2, o1, o0, l2, l1, l0, 0]
}

/// Firmware Commit: of slot 3, replaced, in force after a reset.
#[track_caller]
fn assert_commits(command: &Command) {
    assert_eq!((command.entry.opcode(), command.entry.dword10), (0x10, 0x0B));
    assert_eq!((command.data, command.queue), (Data::None, Queue::Admin));
}

#[test]
fn write_buffer_downloads_in_parts_and_activates_at_last() {
    let bench = bench(DataDirection::Out, 8192);
    let (mut exchange, command) = begin(&bench, &write_buffer(0x0E, 3, 0x1_2000, 8192));
    assert_eq!(
        (
            command.entry.opcode(),
            command.entry.dword10,
            command.entry.dword11
        ),
        (0x11, 2047, 0x4800)
    );
    assert_eq!(
        (command.data, command.bytes, command.queue),
        (Data::Buffer, 8192, Queue::Admin)
    );
    assert_eq!(
        exchange.resume(SUCCESS, &NoArea),
        Next::Done { transferred: 8192 }
    );
    let (mut exchange, command) = begin(&bench, &write_buffer(0x0F, 3, 0, 0));
    assert_commits(&command);
    assert_eq!(
        exchange.resume(SUCCESS, &NoArea),
        Next::Activate { transferred: 0 }
    );
    // Nothing to download is no error, and nothing.
    assert_eq!(
        bench.translation(&write_buffer(0x0E, 3, 0, 0)),
        Translation::Complete { length: 0 }
    );
}

#[test]
fn write_buffer_of_a_whole_image_downloads_and_activates_it() {
    let bench = bench(DataDirection::Out, 8192);
    let (mut exchange, command) = begin(&bench, &write_buffer(0x05, 3, 0, 4096));
    assert_eq!((command.entry.opcode(), command.bytes), (0x11, 4096));
    match exchange.resume(SUCCESS, &NoArea) {
        Next::Submit(command) => assert_commits(&command),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        exchange.resume(SUCCESS, &NoArea),
        Next::Activate { transferred: 4096 }
    );
}

/// A commit may succeed and say which reset is needed; only that of the controller is the driver's.
#[test]
fn a_commit_that_needs_another_reset_has_succeeded() {
    let bench = bench(DataDirection::Out, 8192);
    let end = |status: u16| {
        let (mut exchange, _) = begin(&bench, &write_buffer(0x0F, 0, 0, 0));
        exchange.resume(Status::from_bits(status << 1), &NoArea)
    };
    assert_eq!(end(0x111), Next::Activate { transferred: 0 });
    assert_eq!([end(0x10B), end(0x110)], [Next::Done { transferred: 0 }; 2]);
    for status in [0x106_u16, 0x107, 0x112, 0x113, 0x114] {
        assert_eq!(
            end(status),
            Next::Fail(outcome(Status::from_bits(status << 1))),
            "{status:#x}"
        );
    }
    // What only a commit may say is a failure of a download.
    let (mut exchange, _) = begin(&bench, &write_buffer(0x0E, 0, 0, 4096));
    assert!(matches!(
        exchange.resume(Status::from_bits(0x10B << 1), &NoArea),
        Next::Fail(_)
    ));
}

#[test]
fn write_buffer_points_at_what_is_wrong() {
    let mut bench = bench(DataDirection::Either, 8192);
    for (cdb, sense) in [
        (write_buffer(0x07, 0, 0, 4096), fixture::invalid_bit(1, 4)),
        (write_buffer(0x02, 0, 0, 4096), fixture::invalid_bit(1, 4)),
        (write_buffer(0x0E, 8, 0, 4096), invalid_byte(2)),
        (write_buffer(0x0E, 0, 2, 4096), invalid_byte(3)),
        (write_buffer(0x05, 0, 4096, 4096), invalid_byte(3)),
        (write_buffer(0x0E, 0, 0, 4098), invalid_byte(6)),
        (write_buffer(0x0E, 0, 0, 8196), invalid_byte(6)),
        (write_buffer(0x05, 0, 0, 0), invalid_byte(6)),
    ] {
        bench.fails(&cdb, sense);
    }
    assert_eq!(support(&bench, 0x3B, None), 3);
    bench.controller.features.firmware_download = false;
    assert_eq!(support(&bench, 0x3B, None), 1);
    bench.fails(&write_buffer(0x0E, 0, 0, 4096), Sense::INVALID_OPCODE);
}

/// An area that a log page was written to.
struct Log([u8; 20]);

impl Area for Log {
    fn write(&mut self, _: usize, _: &[u8]) {
        panic!("written to");
    }

    fn read(&self, offset: usize, target: &mut [u8]) {
        target.copy_from_slice(&self.0[offset..offset + target.len()]);
    }
}

/// The Sanitize Status log: SPROG, SSTAT.
fn sanitize_log(progress: u16, status: u8) -> Log {
    let mut log = [0; 20];
    log[..2].copy_from_slice(&progress.to_le_bytes());
    (log[2], log[3]) = (status, 1);
    Log(log)
}

#[track_caller]
fn assert_asks_the_log(next: Next) {
    match next {
        Next::Submit(command) => {
            assert_eq!(
                (command.entry.opcode(), command.entry.dword10),
                (0x02, 4 << 16 | 0x81)
            );
            assert_eq!(
                (command.data, command.bytes, command.queue),
                (Data::Area, 20, Queue::Admin)
            );
        }
        other => panic!("{other:?}"),
    }
}

const fn sanitize(flags: u8) -> [u8; 10] {
    [0x48, flags, 0, 0, 0, 0, 0, 0, 0, 0]
}

fn sanitizing() -> Bench {
    let mut bench = bench(DataDirection::Either, 0);
    bench.controller.features.crypto_erase = Eraser::Sanitize;
    bench
}

#[test]
fn sanitize_begins_and_waits_unless_it_is_to_be_immediate() {
    for (action, nvme) in [(0x02, 2), (0x03, 4)] {
        let (mut exchange, command) = begin(&sanitizing(), &sanitize(action));
        assert_eq!((command.entry.opcode(), command.entry.dword10), (0x84, nvme));
        assert_eq!(
            (command.entry.namespace, command.data, command.queue),
            (NamespaceId::NONE, Data::None, Queue::Admin)
        );
        assert_asks_the_log(exchange.resume(SUCCESS, &NoArea));
        for progress in [0, 0x8000] {
            assert_eq!(exchange.resume(SUCCESS, &sanitize_log(progress, 2)), Next::Later);
            assert_asks_the_log(exchange.resume(SUCCESS, &NoArea));
        }
        let done = Next::Done { transferred: 0 };
        assert_eq!(exchange.resume(SUCCESS, &sanitize_log(u16::MAX, 1)), done);
        // IMMED, AUSE.
        let (mut exchange, command) = begin(&sanitizing(), &sanitize(0xA0 | action));
        assert_eq!(command.entry.dword10, 8 | nvme);
        assert_eq!(exchange.resume(SUCCESS, &NoArea), done);
    }
}

#[test]
fn a_failed_sanitize_is_told_whenever_it_fails() {
    let failed = Sense::new(
        scsi::sense::SenseKey::MediumError,
        scsi::sense::AdditionalSense::SANITIZE_COMMAND_FAILED,
    );
    let (mut exchange, _) = begin(&sanitizing(), &sanitize(2));
    assert_asks_the_log(exchange.resume(SUCCESS, &NoArea));
    let end = exchange.resume(SUCCESS, &sanitize_log(0, 3));
    assert_eq!(end, Next::Fail(Outcome::check_condition(failed)));
    let (mut exchange, _) = begin(&sanitizing(), &sanitize(2));
    let in_progress = Status::from_bits(0x1D << 1);
    assert_eq!(
        exchange.resume(in_progress, &NoArea),
        Next::Fail(outcome(in_progress))
    );
    let (mut exchange, command) = begin(&sanitizing(), &sanitize(0x9F));
    assert_eq!((command.entry.opcode(), command.entry.dword10), (0x84, 1));
    assert_eq!(exchange.resume(SUCCESS, &NoArea), Next::Done { transferred: 0 });
}

/// Format NVM of this namespace alone, to the format that it has.
#[test]
fn sanitize_by_format_erases_the_namespace() {
    let mut bench = Bench::with_namespace(|namespace| namespace.formatted = 0x21);
    bench.data_length = 0;
    bench.controller.features.block_erase = Eraser::Format;
    for (action, dword10) in [(2, 0x1201), (3, 0x1401), (0x82, 0x1201)] {
        let (mut exchange, command) = begin(&bench, &sanitize(action));
        assert_eq!(
            (
                command.entry.opcode(),
                command.entry.namespace,
                command.entry.dword10
            ),
            (0x80, NamespaceId(1), dword10)
        );
        assert_eq!(exchange.resume(SUCCESS, &NoArea), Next::Done { transferred: 0 });
    }
    assert_eq!(
        support(
            &Bench {
                data_length: 512,
                ..bench
            },
            0x48,
            Some(0x1F)
        ),
        1
    );
}

/// Never another unit's data: Sanitize if there is no other, Format NVM if it leaves others alone.
#[test]
fn an_eraser_leaves_other_units_alone() {
    for (alone, sanitizes, formats, expected) in [
        (true, true, Formats::One, Eraser::Sanitize),
        (true, false, Formats::All, Eraser::Format),
        (true, false, Formats::Nothing, Eraser::None),
        (false, true, Formats::One, Eraser::Format),
        (false, true, Formats::All, Eraser::None),
        (false, true, Formats::Nothing, Eraser::None),
    ] {
        assert_eq!(Eraser::choose(alone, sanitizes, formats), expected);
    }
}

#[test]
fn sanitize_is_there_as_the_unit_has_it_and_takes_no_reserved_field() {
    let actions = [0x01, 0x02, 0x03, 0x1F];
    let told = |bench: &Bench| actions.map(|action| support(bench, 0x48, Some(action)) == 3);
    let mut bench = bench(DataDirection::Either, 512);
    assert_eq!(told(&bench), [false, true, true, true]);
    // WABEREQ and WACEREQ of VPD page B1h.
    assert_eq!(bench.answer(&fixture::inquiry(Some(0xB1), 64))[7], 0x50);
    bench.fails(&sanitize(0x01), fixture::invalid_bit(1, 4));
    bench.fails(&sanitize(0x42), fixture::invalid_bit(1, 6));
    for byte in 2..9 {
        let mut cdb = sanitize(0x02);
        cdb[byte] = 1;
        bench.fails(&cdb, invalid_byte(u16::try_from(byte).unwrap()));
    }
    // After BLOCK ERASE blocks are unmapped, which a unit that cannot unmap has not.
    bench.controller.features.dataset_management = false;
    assert_eq!(told(&bench), [false, false, true, true]);
    assert_eq!(bench.answer(&fixture::inquiry(Some(0xB1), 64))[7], 0x10);
    bench.fails(&sanitize(0x02), Sense::INVALID_OPCODE);
    bench.controller.features.block_erase = Eraser::None;
    bench.controller.features.crypto_erase = Eraser::None;
    assert_eq!(told(&bench), [false; 4]);
    for action in actions {
        bench.fails(&sanitize(action), Sense::INVALID_OPCODE);
    }
    let mut protected = Bench::with_namespace(|namespace| namespace.write_protected = true);
    protected.data_length = 0;
    protected.fails(&sanitize(2), Sense::WRITE_PROTECTED);
}

#[test]
fn request_sense_tells_how_sanitize_stands() {
    let bench = bench(DataDirection::In, 252);
    let run = |descriptor: u8, log: &Log| {
        let Translation::Exchange(mut exchange) = bench.translation(&[0x03, descriptor, 0, 0, 252, 0]) else {
            panic!("no exchange");
        };
        let mut unread: &[u8] = &[];
        assert_asks_the_log(exchange.begin(&mut unread, &mut NoArea));
        assert_eq!(exchange.resume(SUCCESS, log), Next::Answer);
        let mut recorder = fixture::Recorder::default();
        exchange.answer(log, &mut recorder);
        recorder.bytes
    };
    let going = sanitize_log(0x4000, 2);
    let fixed = run(0, &going);
    assert_eq!((fixed[2], fixed[12], fixed[13]), (0x02, 0x04, 0x1B));
    assert_eq!(fixed[15..], [0x80, 0x40, 0x00]);
    let descriptor = run(1, &going);
    assert_eq!(descriptor[..4], [0x72, 0x02, 0x04, 0x1B]);
    assert_eq!(descriptor[7..], [8, 2, 6, 0, 0, 0x80, 0x40, 0x00, 0]);
    assert_eq!(run(0, &sanitize_log(u16::MAX, 1)), Sense::NONE.to_fixed());
    assert_eq!(run(1, &sanitize_log(u16::MAX, 0)), Sense::NONE.to_descriptor());
    let failed = run(0, &sanitize_log(0, 3));
    assert_eq!((failed[2], failed[12], failed[13]), (0x03, 0x31, 0x03));
}
