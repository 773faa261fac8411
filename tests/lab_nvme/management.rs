//! Commands about the device behind the unit, by the packaged driver, on the controller that has them.

use std::time::{Duration, Instant};

use portlab::model::{Address, Direction, Outcome, Request, SrbFunction};

use super::Bench;

/// GOOD, or sense key, additional sense code and qualifier.
type Sense = Result<(), [u8; 3]>;

/// [`send_to`] the first unit.
fn send(bench: &Bench, cdb: &[u8], data: &[u8], room: usize) -> (Outcome, Vec<u8>) {
    send_to(bench, 0, cdb, data, room)
}

/// Sends `cdb` to a LUN; data to the device if there are any, else room for `room` bytes of an answer. The outcome, and what the buffer
/// then holds.
fn send_to(bench: &Bench, lun: u8, cdb: &[u8], data: &[u8], room: usize) -> (Outcome, Vec<u8>) {
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
        address: Address {
            lun,
            ..Address::default()
        },
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
    for cdb in [
        security(0xA2, 0, 0, 512).to_vec(),
        security(0xB5, 0xF0, 0, 512).to_vec(),
        write_buffer(0x0E, 0, 4096).to_vec(),
    ] {
        assert!(!is_told(&bench, cdb[0], None), "{:#x}", cdb[0]);
        let (outcome, _) = send(&bench, &cdb, &[], 0);
        assert_eq!(sense(&outcome), Err([0x5, 0x20, 0x00]), "{:#x}", cdb[0]);
    }
    bench.finish();
}

/// WRITE BUFFER to slot 0, the controller's choice.
fn write_buffer(mode: u8, offset: usize, length: usize) -> [u8; 10] {
    let [_, o2, o1, o0] = u32::try_from(offset).unwrap_or(0).to_be_bytes();
    let [_, l2, l1, l0] = u32::try_from(length).unwrap_or(0).to_be_bytes();
    [0x3B, mode, 0, o2, o1, o0, l2, l1, l0, 0]
}

/// An image as the lab's controller has them: magic, revision, length, checksum, body.
fn firmware_image(revision: [u8; 8], length: usize) -> Vec<u8> {
    let mut image: Vec<u8> = (0..length)
        .map(|at| u8::try_from(at * 3 % 251).unwrap_or(0))
        .collect();
    let sum = image[24..].iter().map(|byte| u32::from(*byte)).sum::<u32>();
    image[..8].copy_from_slice(b"FERROFW\0");
    image[8..16].copy_from_slice(&revision);
    image[16..20].copy_from_slice(&u32::try_from(length).unwrap_or(0).to_le_bytes());
    image[20..24].copy_from_slice(&sum.to_le_bytes());
    image
}

/// PRODUCT REVISION LEVEL of INQUIRY, once it is another than `before`.
fn revision_after(bench: &Bench, before: &[u8]) -> Vec<u8> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let (outcome, data) = send(bench, &[0x12, 0, 0, 0, 96, 0], &[], 96);
        assert_eq!(sense(&outcome), Ok(()));
        if data[32..36] != *before {
            return data[32..36].to_vec();
        }
        assert!(Instant::now() < deadline, "{:#?}", bench.lab.event_log());
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn firmware_is_downloaded_in_parts_and_in_force_after_the_drivers_reset() {
    const PART: usize = 16_384;
    let bench = Bench::start("lab:nvme,size=8M,ram=128M");
    assert!(is_told(&bench, 0x3B, None));
    let before = revision_after(&bench, &[]);
    let image = firmware_image(*b"FERRO2.7", 3 * PART);
    for (index, part) in image.chunks(PART).enumerate() {
        let (outcome, _) = send(&bench, &write_buffer(0x0E, index * PART, PART), part, 0);
        assert_eq!((sense(&outcome), outcome.transferred), (Ok(()), 16_384));
    }
    // The same part once more: Overlapping Range.
    let (outcome, _) = send(&bench, &write_buffer(0x0E, 0, PART), &image[..PART], 0);
    assert_eq!(sense(&outcome), Err([0x5, 0x24, 0x00]));
    let (outcome, _) = send(&bench, &write_buffer(0x0F, 0, 0), &[], 0);
    assert_eq!(sense(&outcome), Ok(()));
    let second = revision_after(&bench, &before);
    // A whole image at once, while there is traffic; what the reset interrupts is tried again.
    let image = firmware_image(*b"FERRO3.1", 8192);
    std::thread::scope(|scope| {
        let traffic = scope.spawn(|| bench.traffic(4 << 20, Vec::new()));
        let (outcome, _) = send(&bench, &write_buffer(0x05, 0, image.len()), &image, 0);
        assert_eq!(sense(&outcome), Ok(()));
        let third = revision_after(&bench, &second);
        assert_ne!(third, before);
        assert_eq!(traffic.join().expect("traffic").bytes_verified, 4 << 20);
    });
    // No image: refused when it is committed, and nothing changes.
    let (outcome, _) = send(&bench, &write_buffer(0x05, 0, 4096), &[0x55; 4096], 0);
    assert_eq!(sense(&outcome), Err([0x5, 0x26, 0x00]));
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

/// SANITIZE: flags and service action.
const fn sanitize(flags: u8) -> [u8; 10] {
    [0x48, flags, 0, 0, 0, 0, 0, 0, 0, 0]
}

const BLOCK_ERASE: u8 = 0x02;
const CRYPTO_ERASE: u8 = 0x03;
const IMMED: u8 = 0x80;

/// Writes to the first block of a LUN, through to the medium.
fn mark(bench: &Bench, lun: u8) {
    let (outcome, _) = send_to(bench, lun, &[0x2A, 8, 0, 0, 0, 0, 0, 0, 1, 0], &[0xC3; 512], 0);
    assert_eq!(sense(&outcome), Ok(()));
}

/// What the first block of a LUN is read as: all of it one byte.
fn first_block(bench: &Bench, lun: u8) -> Result<u8, [u8; 3]> {
    let (outcome, data) = send_to(bench, lun, &[0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0], &[], 512);
    sense(&outcome)?;
    assert!(data.iter().all(|byte| *byte == data[0]), "{data:02x?}");
    Ok(data[0])
}

/// REQUEST SENSE: key, additional sense code and qualifier, and PROGRESS INDICATION.
fn request_sense(bench: &Bench) -> ([u8; 3], u16) {
    let (outcome, data) = send(bench, &[0x03, 0, 0, 0, 18, 0], &[], 18);
    assert_eq!((sense(&outcome), outcome.transferred), (Ok(()), 18));
    (
        [data[2], data[12], data[13]],
        u16::from_be_bytes([data[16], data[17]]),
    )
}

const IN_PROGRESS: [u8; 3] = [0x2, 0x04, 0x1B];

/// Waits until REQUEST SENSE no longer tells of a sanitize operation, whose progress never goes back.
fn await_sanitized(bench: &Bench) {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut last = 0;
    loop {
        let (sense, progress) = request_sense(bench);
        if sense == [0; 3] {
            return;
        }
        assert_eq!(sense, IN_PROGRESS);
        assert!(
            progress >= last && Instant::now() < deadline,
            "{progress:#x} after {last:#x}"
        );
        last = progress;
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn sanitize_refuses_everybody_until_nothing_is_left() {
    let bench = Bench::start("lab:nvme,size=8M,ram=128M");
    for (action, told) in [
        (0x01, false),
        (BLOCK_ERASE, true),
        (CRYPTO_ERASE, true),
        (0x1F, true),
    ] {
        assert_eq!(is_told(&bench, 0x48, Some(action)), told, "{action:#x}");
    }
    for action in [BLOCK_ERASE, CRYPTO_ERASE] {
        mark(&bench, 0);
        assert_eq!(request_sense(&bench), ([0; 3], 0));
        let (outcome, _) = send(&bench, &sanitize(IMMED | action), &[], 0);
        assert_eq!(sense(&outcome), Ok(()));
        assert_eq!(request_sense(&bench).0, IN_PROGRESS);
        assert_eq!(first_block(&bench, 0), Err(IN_PROGRESS));
        let (again, _) = send(&bench, &sanitize(IMMED | action), &[], 0);
        assert_eq!(sense(&again), Err(IN_PROGRESS));
        await_sanitized(&bench);
        assert_eq!(first_block(&bench, 0), Ok(0));
        // Without IMMED the end is waited for.
        mark(&bench, 0);
        let (outcome, _) = send(&bench, &sanitize(action), &[], 0);
        assert_eq!(sense(&outcome), Ok(()));
        assert!(
            outcome.elapsed >= Duration::from_millis(300),
            "{:?}",
            outcome.elapsed
        );
        assert_eq!((request_sense(&bench).0, first_block(&bench, 0)), ([0; 3], Ok(0)));
    }
    // There is no failure to leave.
    let (outcome, _) = send(&bench, &sanitize(0x1F), &[], 0);
    assert_eq!(sense(&outcome), Ok(()));
    bench.finish();
}

/// Who waits for a sanitize operation is let go by a reset; the operation is not.
#[test]
fn a_reset_ends_the_wait_and_not_the_sanitizing() {
    let bench = Bench::start("lab:nvme,size=8M,ram=128M");
    for unit in [false, true] {
        mark(&bench, 0);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let began = Instant::now();
                (send(&bench, &sanitize(BLOCK_ERASE), &[], 0).0, began.elapsed())
            });
            while request_sense(&bench).0 != IN_PROGRESS {
                std::thread::yield_now();
            }
            if unit {
                let reset = bench
                    .lab
                    .srb_function(SrbFunction::ResetLogicalUnit, Address::default());
                assert!(reset.is_success(), "{reset}");
            } else {
                assert!(bench.lab.reset_bus(0).success);
            }
            let (outcome, _) = waiting.join().expect("the waiting thread");
            assert!(!outcome.is_success(), "{outcome}");
            assert_eq!(request_sense(&bench).0, IN_PROGRESS);
        });
        await_sanitized(&bench);
        assert_eq!(first_block(&bench, 0), Ok(0));
    }
    bench.finish();
}

/// With a neighbour there is no Sanitize, which would erase it, too: Format NVM erases the one.
#[test]
fn a_unit_is_sanitized_without_its_neighbour() {
    let bench = Bench::start("lab:nvme,size=8M,ram=128M,namespaces=2");
    assert!(is_told(&bench, 0x48, Some(BLOCK_ERASE)));
    // The controller has no keys that Format NVM could delete.
    assert!(!is_told(&bench, 0x48, Some(CRYPTO_ERASE)) && !is_told(&bench, 0x48, Some(0x1F)));
    mark(&bench, 0);
    mark(&bench, 1);
    let (outcome, _) = send_to(&bench, 1, &sanitize(BLOCK_ERASE), &[], 0);
    assert_eq!(sense(&outcome), Ok(()));
    assert_eq!(
        (first_block(&bench, 0), first_block(&bench, 1)),
        (Ok(0xC3), Ok(0))
    );
    bench.finish();
}

/// QEMU's controller has Format NVM and no Sanitize.
#[test]
fn a_unit_is_sanitized_by_format_on_another_authors_controller() {
    let bench = Bench::start("qemu:nvme,size=8M,ram=128M");
    assert!(is_told(&bench, 0x48, Some(BLOCK_ERASE)));
    mark(&bench, 0);
    assert_eq!(first_block(&bench, 0), Ok(0xC3));
    let (outcome, _) = send(&bench, &sanitize(BLOCK_ERASE), &[], 0);
    assert_eq!(sense(&outcome), Ok(()));
    assert_eq!(first_block(&bench, 0), Ok(0));
    bench.finish();
}
