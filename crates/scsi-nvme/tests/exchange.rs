//! Exchanges: what each command asks of the controller, step by step.

mod fixture;

use fixture::{BLOCKS, Bench, Recorder, transfer_10, transfer_16};
use nvme::{NamespaceId, Status, io_opcode};
use proptest::prelude::*;
use scsi::sense::{AdditionalSense, Sense, SenseKey};
use scsi_nvme::{
    AREA_BYTES, Area, Command, Data, DataDirection, Eraser, Exchange, Next, Outcome, Queue, Translation,
};

/// An area that insists on its bounds.
struct Page(Vec<u8>);

impl Area for Page {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.0[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn read(&self, offset: usize, target: &mut [u8]) {
        target.copy_from_slice(&self.0[offset..offset + target.len()]);
    }
}

fn fresh_page() -> Page {
    Page(vec![0xEE; AREA_BYTES])
}

/// A bench whose requests have `data` for the device.
fn sending(data: &[u8]) -> Bench {
    let mut bench = Bench::with_namespace(|namespace| {
        namespace.deallocated_reads_zero = true;
        namespace.reservation_capabilities = 0x7F;
    });
    bench.data_length = u32::try_from(data.len()).unwrap();
    bench.data_direction = DataDirection::Out;
    bench
}

#[track_caller]
fn exchange(bench: &Bench, cdb: &[u8]) -> Exchange {
    match bench.translation(cdb) {
        Translation::Exchange(exchange) => exchange,
        other => panic!("no exchange: {other:?}"),
    }
}

/// Begins the exchange of `cdb` with `data`.
#[track_caller]
fn begin(bench: &Bench, cdb: &[u8], data: &[u8]) -> (Exchange, Page, Next) {
    let (mut exchange, mut area, mut data) = (exchange(bench, cdb), fresh_page(), data);
    let next = exchange.begin(&mut data, &mut area);
    (exchange, area, next)
}

#[track_caller]
fn submitted(next: Next) -> Command {
    match next {
        Next::Submit(command) => command,
        other => panic!("nothing is submitted: {other:?}"),
    }
}

const SUCCESS: Status = Status::new();

fn unmap_cdb(length: u16) -> [u8; 10] {
    transfer_10(0x42, 0, length)
}

fn unmap_list(descriptors: &[(u64, u32)]) -> Vec<u8> {
    let length = u16::try_from(descriptors.len() * 16).unwrap();
    let mut list = [(length + 6).to_be_bytes(), length.to_be_bytes(), [0; 2], [0; 2]].concat();
    for (lba, blocks) in descriptors {
        list.extend(lba.to_be_bytes());
        list.extend(blocks.to_be_bytes());
        list.extend([0; 4]);
    }
    list
}

#[test]
fn unmap_becomes_one_dataset_management_of_its_ranges() {
    let list = unmap_list(&[(5, 7), (9, 0), (BLOCKS - 1, 1)]);
    let length = u16::try_from(list.len()).unwrap();
    let (mut exchange, area, next) = begin(&sending(&list), &unmap_cdb(length), &list);
    let command = submitted(next);
    assert_eq!(command.entry.opcode(), io_opcode::DATASET_MANAGEMENT);
    assert_eq!((command.entry.dword10, command.entry.dword11), (1, 4));
    assert_eq!(
        (command.data, command.bytes, command.queue),
        (Data::Area, 32, Queue::Io)
    );
    assert_eq!(area.0[..16], [0, 0, 0, 0, 7, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(area.0[20..32], [1, 0, 0, 0, 0xFF, 0xFF, 0x1F, 0, 0, 0, 0, 0]);
    assert_eq!(
        exchange.resume(SUCCESS, &fresh_page()),
        Next::Done { transferred: 56 }
    );
}

#[test]
fn unmap_refuses_what_lies_beyond_and_lists_that_are_cut() {
    let check = |list: &[u8], length: u16| {
        let (_, _, next) = begin(&sending(list), &unmap_cdb(length), list);
        next
    };
    let failed = |sense| Next::Fail(Outcome::check_condition(sense));
    let beyond = unmap_list(&[(BLOCKS - 1, 2)]);
    assert_eq!(check(&beyond, 24), failed(Sense::LBA_OUT_OF_RANGE));
    let many = unmap_list(&[(0, 1); 257]);
    let length = u16::try_from(many.len()).unwrap();
    assert_eq!(
        check(&many, length),
        failed(Sense::INVALID_FIELD_IN_PARAMETER_LIST)
    );
    // A descriptor that is cut is ignored.
    assert_eq!(
        check(&unmap_list(&[(0, 1)])[..23], 23),
        Next::Done { transferred: 23 }
    );
    let list = unmap_list(&[(0, 1)]);
    let bench = sending(&list);
    bench.fails(&unmap_cdb(7), Sense::PARAMETER_LIST_LENGTH_ERROR);
    bench.fails(&unmap_cdb(25), Sense::PARAMETER_LIST_LENGTH_ERROR);
    let mut protected = sending(&list);
    protected.namespace.as_mut().unwrap().write_protected = true;
    protected.fails(&unmap_cdb(24), Sense::WRITE_PROTECTED);
    let mut incapable = sending(&list);
    incapable.controller.features.dataset_management = false;
    incapable.fails(&unmap_cdb(24), Sense::INVALID_OPCODE);
}

#[test]
fn write_same_of_zeroes_is_write_zeroes_and_deallocates_if_it_may() {
    let zeroes = [0; 512];
    for (flags, deallocate) in [(0x00, 0), (0x08, 1 << 25)] {
        let mut cdb = transfer_10(0x41, 3, 9);
        cdb[1] = flags;
        let (mut exchange, _, next) = begin(&sending(&zeroes), &cdb, &zeroes);
        let command = submitted(next);
        assert_eq!(command.entry.opcode(), io_opcode::WRITE_ZEROES);
        assert_eq!(
            (command.entry.dword10, command.entry.dword12),
            (3, 8 | deallocate)
        );
        assert_eq!(command.data, Data::None);
        assert_eq!(
            exchange.resume(SUCCESS, &fresh_page()),
            Next::Done { transferred: 512 }
        );
    }
}

#[test]
fn write_same_of_other_data_writes_the_block_again_and_again() {
    let data: Vec<u8> = (0..=250_u8).cycle().take(512).collect();
    let mut bench = sending(&data);
    bench.controller.max_transfer_bytes = 8192;
    let (mut exchange, area, next) = begin(&bench, &transfer_16(0x93, 100, 20), &data);
    assert!(area.0.chunks(512).all(|block| block == data));
    let first = submitted(next);
    assert_eq!(first.entry.opcode(), io_opcode::WRITE);
    assert_eq!((first.entry.dword10, first.entry.dword12), (100, 15));
    assert_eq!((first.data, first.bytes), (Data::Repeat, 8192));
    let second = submitted(exchange.resume(SUCCESS, &fresh_page()));
    assert_eq!(
        (second.entry.dword10, second.entry.dword12, second.bytes),
        (116, 3, 2048)
    );
    assert_eq!(
        exchange.resume(SUCCESS, &fresh_page()),
        Next::Done { transferred: 512 }
    );
}

#[test]
fn write_same_refuses_a_buffer_that_is_not_one_block_and_zero_blocks() {
    sending(&[0; 256]).fails(&transfer_10(0x41, 0, 1), fixture::invalid_byte(7));
    sending(&[0; 1024]).fails(&transfer_10(0x41, 0, 1), fixture::invalid_byte(7));
    sending(&[0; 512]).fails(&transfer_10(0x41, 0, 0), fixture::invalid_byte(7));
    sending(&[0; 512]).fails(&transfer_16(0x93, BLOCKS, 1), Sense::LBA_OUT_OF_RANGE);
    let mut anchor = transfer_10(0x41, 0, 1);
    anchor[1] = 0x18;
    sending(&[0; 512]).fails(&anchor, fixture::invalid_bit(1, 4));
}

#[test]
fn write_and_verify_writes_through_and_then_verifies_or_compares() {
    let data = [7; 1024];
    for (flags, opcode, place) in [
        (0x00, io_opcode::VERIFY, Data::None),
        (0x02, io_opcode::COMPARE, Data::Buffer),
    ] {
        let mut cdb = transfer_10(0x2E, 4, 2);
        cdb[1] = flags;
        let (mut exchange, _, next) = begin(&sending(&data), &cdb, &data);
        assert_eq!(exchange.buffer_bytes(), [1024, 0]);
        let write = submitted(next);
        assert_eq!(
            (write.entry.opcode(), write.data),
            (io_opcode::WRITE, Data::Buffer)
        );
        assert_eq!(write.entry.dword12, 1 << 30 | 1, "FUA");
        let check = submitted(exchange.resume(SUCCESS, &fresh_page()));
        assert_eq!((check.entry.opcode(), check.data), (opcode, place));
        assert_eq!(
            exchange.resume(SUCCESS, &fresh_page()),
            Next::Done { transferred: 1024 }
        );
    }
}

#[test]
fn compare_and_write_is_a_fused_pair_over_both_halves_of_the_buffer() {
    let data = [1; 2048];
    let mut cdb = transfer_16(0x89, 8, 0);
    cdb[13] = 2;
    let (mut exchange, _, next) = begin(&sending(&data), &cdb, &data);
    assert_eq!(exchange.buffer_bytes(), [1024, 1024]);
    let Next::SubmitFused(compare, write) = next else {
        panic!("not fused: {next:?}");
    };
    assert_eq!((compare.entry.dword0, write.entry.dword0), (0x105, 0x201));
    assert_eq!((compare.data, write.data), (Data::Buffer, Data::BufferRest));
    let miscompare = Status::new().with_status_code_type(2).with_status_code(0x85);
    let sense = Sense::new(SenseKey::Miscompare, AdditionalSense::MISCOMPARE_DURING_VERIFY);
    let mut other = exchange;
    assert_eq!(
        other.resume(miscompare, &fresh_page()),
        Next::Fail(Outcome::check_condition(sense))
    );
    assert_eq!(
        exchange.resume(SUCCESS, &fresh_page()),
        Next::Done { transferred: 2048 }
    );
    // More than Block Limits promises, and not twice as much data as blocks.
    cdb[13] = 9;
    sending(&[1; 9216]).fails(&cdb, fixture::invalid_byte(13));
    cdb[13] = 1;
    sending(&data).fails(&cdb, fixture::invalid_byte(13));
}

fn reserve_out(action: u8, kind: u8, current: u64, new: u64) -> (Exchange, Page, Command) {
    let mut list = [current.to_be_bytes(), new.to_be_bytes()].concat();
    list.resize(24, 0);
    let cdb = [0x5F, action, kind, 0, 0, 0, 0, 0, 24, 0];
    let (exchange, area, next) = begin(&sending(&list), &cdb, &list);
    (exchange, area, submitted(next))
}

#[test]
fn reservations_map_action_by_action() {
    for (action, kind, current, new, opcode, dword10) in [
        (0, 0, 0, 5, io_opcode::RESERVATION_REGISTER, 2 << 30),
        (0, 0, 5, 6, io_opcode::RESERVATION_REGISTER, 2 << 30 | 2),
        (0, 0, 5, 0, io_opcode::RESERVATION_REGISTER, 2 << 30 | 1),
        (6, 0, 0, 5, io_opcode::RESERVATION_REGISTER, 2 << 30 | 1 << 3 | 2),
        (1, 3, 5, 0, io_opcode::RESERVATION_ACQUIRE, 2 << 8),
        (4, 8, 5, 6, io_opcode::RESERVATION_ACQUIRE, 6 << 8 | 1),
        (5, 1, 5, 6, io_opcode::RESERVATION_ACQUIRE, 1 << 8 | 2),
        (2, 6, 5, 0, io_opcode::RESERVATION_RELEASE, 4 << 8),
        (3, 0, 5, 0, io_opcode::RESERVATION_RELEASE, 1),
    ] {
        let (_, area, command) = reserve_out(action, kind, current, new);
        assert_eq!(
            (command.entry.opcode(), command.entry.dword10),
            (opcode, dword10),
            "{action}"
        );
        assert_eq!(area.0[..8], current.to_le_bytes());
        assert_eq!(area.0[8..16], new.to_le_bytes());
    }
}

#[test]
fn unregistering_whom_nobody_knows_is_no_conflict() {
    let conflict = Status::new().with_status_code(0x83);
    let (mut exchange, ..) = reserve_out(6, 0, 0, 0);
    assert_eq!(
        exchange.resume(conflict, &fresh_page()),
        Next::Done { transferred: 24 }
    );
    let (mut exchange, ..) = reserve_out(0, 0, 9, 0);
    assert!(
        matches!(exchange.resume(conflict, &fresh_page()), Next::Fail(outcome) if outcome.sense.is_none())
    );
}

#[test]
fn reserve_in_turns_the_report_into_keys_and_reservation() {
    let mut bench = Bench::with_namespace(|namespace| namespace.reservation_capabilities = 0x7F);
    bench.data_direction = DataDirection::In;
    let run = |action: u8, allocation: u8| {
        let (mut exchange, mut area, next) =
            begin(&bench, &[0x5E, action, 0, 0, 0, 0, 0, 0, allocation, 0], &[]);
        assert_eq!(submitted(next).entry.opcode(), io_opcode::RESERVATION_REPORT);
        area.0.fill(0);
        area.0[..7].copy_from_slice(&[9, 0, 0, 0, 2, 1, 0]);
        area.0[26] = 1;
        area.0[40..48].copy_from_slice(&0x1122_u64.to_le_bytes());
        assert_eq!(exchange.resume(SUCCESS, &fresh_page()), Next::Answer);
        let mut recorder = Recorder::default();
        let length = exchange.answer(&area, &mut recorder);
        assert_eq!(usize::try_from(length).unwrap(), recorder.bytes.len());
        recorder.bytes
    };
    assert_eq!(
        run(0, 255),
        [0, 0, 0, 9, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0x11, 0x22]
    );
    assert_eq!(run(0, 6), [0, 0, 0, 9, 0, 0]);
    let reservation = run(1, 255);
    assert_eq!(reservation[4..16], [0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0x11, 0x22]);
    assert_eq!(reservation[21], 3, "exclusive access");
    assert_eq!(run(3, 255).len(), 8 + 48);
    let capabilities = bench.answer(&[0x5E, 2, 0, 0, 0, 0, 0, 0, 255, 0]);
    assert_eq!(capabilities, [0, 8, 1, 0x80, 0xEA, 0x01, 0, 0]);
}

#[test]
fn log_pages_are_made_of_the_health_log() {
    let bench = Bench::default();
    let run = |page: u8| {
        let (mut exchange, mut area, next) =
            begin(&bench, &[0x4D, 0, 0x40 | page, 0, 0, 0, 0, 0, 255, 0], &[]);
        let command = submitted(next);
        assert_eq!(
            (command.queue, command.entry.namespace),
            (Queue::Admin, NamespaceId::ALL)
        );
        area.0.fill(0);
        area.0[0] = 1;
        area.0[1..3].copy_from_slice(&(273_u16 + 40).to_le_bytes());
        assert_eq!(exchange.resume(SUCCESS, &fresh_page()), Next::Answer);
        let mut recorder = Recorder::default();
        exchange.answer(&area, &mut recorder);
        recorder.bytes
    };
    assert_eq!(
        run(0x0D),
        [0x0D, 0, 0, 12, 0, 0, 3, 2, 0, 40, 0, 1, 3, 2, 0, 0xFF]
    );
    assert_eq!(run(0x2F), [0x2F, 0, 0, 8, 0, 0, 3, 4, 0x5D, 0, 40, 0]);
    assert_eq!(
        bench.answer(&[0x4D, 0, 0x40, 0, 0, 0, 0, 0, 255, 0]),
        [0, 0, 0, 3, 0x00, 0x0D, 0x2F]
    );
    bench.fails(
        &[0x4D, 0, 0x7F, 0, 0, 0, 0, 0, 255, 0],
        fixture::invalid_bit(2, 5),
    );
}

#[test]
fn mode_select_sets_the_write_cache_and_takes_nothing_else() {
    let caching = |flags: u8| {
        let mut list = vec![0, 0, 0, 0, 0x08, 0x12, flags];
        list.resize(24, 0);
        list
    };
    let off = caching(0);
    let (mut exchange, _, next) = begin(&sending(&off), &[0x15, 0x10, 0, 0, 24, 0], &off);
    let command = submitted(next);
    assert_eq!(
        (command.queue, command.entry.dword10, command.entry.dword11),
        (Queue::Admin, 6, 0)
    );
    let done = Next::CacheSet {
        transferred: 24,
        enabled: false,
    };
    assert_eq!(exchange.resume(SUCCESS, &fresh_page()), done);
    for (list, sense) in [
        (caching(0x05), Sense::INVALID_FIELD_IN_PARAMETER_LIST),
        (caching(0)[..23].to_vec(), Sense::PARAMETER_LIST_LENGTH_ERROR),
        (vec![0, 0, 0, 0, 0x3E, 0], Sense::INVALID_FIELD_IN_PARAMETER_LIST),
    ] {
        let length = u8::try_from(list.len()).unwrap();
        let (_, _, next) = begin(&sending(&list), &[0x15, 0x10, 0, 0, length, 0], &list);
        assert_eq!(next, Next::Fail(Outcome::check_condition(sense)));
    }
    sending(&off).fails(&[0x15, 0x11, 0, 0, 24, 0], fixture::invalid_bit(1, 0));
}

#[test]
fn report_supported_operation_codes_tells_one_and_all() {
    let bench = Bench::default();
    let one =
        |options: u8, opcode: u8, action: u8| [0xA3, 0x0C, options, opcode, 0, action, 0, 0, 1, 0, 0, 0];
    assert_eq!(
        bench.answer(&one(1, 0x28, 0)),
        [0, 3, 0, 10, 0x28, 0x18, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0xFF, 0xFF, 0]
    );
    assert_eq!(bench.answer(&one(1, 0xC0, 0)), [0, 1, 0, 0]);
    assert_eq!(
        bench.answer(&one(0x82, 0x9E, 0x12))[..6],
        [0, 0x83, 0, 16, 0x9E, 0x12]
    );
    bench.fails(&one(1, 0x9E, 0), fixture::invalid_bit(2, 2));
    bench.fails(&one(2, 0x28, 0), fixture::invalid_bit(2, 2));
    let all = bench.answer(&[0xA3, 0x0C, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0]);
    assert_eq!(
        u32::from_be_bytes([all[0], all[1], all[2], all[3]]) as usize,
        all.len() - 4
    );
    // Every command that is told has a translation, and every other operation code has none.
    let told: Vec<(u8, u8, bool)> = all[4..]
        .chunks(8)
        .map(|row| (row[0], row[3], row[5] & 1 != 0))
        .collect();
    for opcode in 0..=u8::MAX {
        let known = told.iter().any(|row| row.0 == opcode);
        let mut cdb = [0; 16];
        cdb[0] = opcode;
        if opcode == 0x3B {
            // There is no mode 00h.
            cdb[1] = 0x0E;
        }
        let error = scsi::cdb::Command::parse(&cdb).err();
        assert_eq!(
            error != Some(scsi::cdb::CdbError::UnsupportedOpcode),
            known,
            "{opcode:#x}"
        );
    }
    for (opcode, action, _) in told.iter().filter(|row| row.2) {
        let mut cdb = [0; 16];
        (cdb[0], cdb[1]) = (*opcode, *action);
        assert!(scsi::cdb::Command::parse(&cdb).is_ok(), "{opcode:#x}/{action:#x}");
    }
}

fn eraser() -> impl Strategy<Value = Eraser> {
    prop::sample::select(vec![Eraser::None, Eraser::Sanitize, Eraser::Format])
}

prop_compose! {
    fn commands()(
        opcode in prop::sample::select(vec![0x15_u8, 0x2E, 0x2F, 0x41, 0x42, 0x4D, 0x55, 0x5E, 0x5F, 0x89, 0x8E, 0x8F, 0x93, 0xAE, 0xA2, 0xB5, 0x3B, 0x48, 0x03]),
        rest in prop::collection::vec(prop_oneof![4 => Just(0_u8), 1 => any::<u8>()], 15),
        small in 0_u8..40,
    ) -> Vec<u8> {
        let mut cdb = vec![opcode];
        cdb.extend(&rest);
        // Mostly a length that fits.
        let at = match opcode {
            0x15 => 4,
            0x89 | 0x93 | 0x8E | 0x8F => 13,
            0xA2 | 0xAE | 0xB5 => 9,
            _ => 8,
        };
        cdb[at] = small;
        if opcode == 0x48 {
            cdb[1] = cdb[1] & 0xE0 | [0x02, 0x03, 0x1F][usize::from(small % 3)];
            cdb[2..9].fill(0);
        }
        if opcode == 0x3B {
            cdb[1] = [0x05, 0x0E, 0x0F][usize::from(small % 3)];
        }
        if matches!(opcode, 0x15 | 0x55) {
            cdb[1] |= 0x10;
        }
        cdb
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// Whatever the CDB, the parameter data and the controller's answers: an exchange ends after few steps, its commands
    /// address existing blocks of its own namespace and move no more than the area, the buffer or the controller's limit
    /// allow, and its answer is not longer than was asked for.
    #[test]
    fn every_exchange_ends_within_its_bounds(
        cdb in commands(),
        data in prop::collection::vec(prop_oneof![2 => Just(0_u8), 1 => any::<u8>()], 0..3000),
        block in prop::option::of(Just(512_usize)),
        features: [bool; 9],
        erasers in [eraser(), eraser()],
        report in prop::collection::vec(any::<u8>(), 64),
        failure in prop::option::weighted(0.2, (any::<u16>(), 0_usize..4)),
    ) {
        let (mut data, mut report) = (data, report);
        if let Some(block) = block {
            data.resize(block, 0);
        }
        let mut bench = sending(&data);
        bench.data_direction = DataDirection::Either;
        bench.controller.max_transfer_bytes = 64 * 1024;
        bench.controller.features = scsi_nvme::Features {
            compare: features[0],
            dataset_management: features[1],
            write_zeroes: features[2],
            verify: features[3],
            reservations: features[4],
            fused_compare_and_write: features[5],
            security: features[6],
            io_exchanges: features[7],
            firmware_download: features[8],
            block_erase: erasers[0],
            crypto_erase: erasers[1],
        };
        let Translation::Exchange(mut exchange) = bench.run(&cdb).0 else { return Ok(()) };
        let mut area = fresh_page();
        let mut next = exchange.begin(&mut &data[..], &mut area);
        let [buffer, rest] = exchange.buffer_bytes();
        let check = |command: &Command| -> Result<(), TestCaseError> {
            match command.data {
                Data::None => prop_assert_eq!(command.bytes, 0),
                Data::Area => prop_assert!(command.bytes as usize <= AREA_BYTES),
                Data::Buffer => prop_assert_eq!(command.bytes, buffer),
                Data::BufferRest => prop_assert_eq!(command.bytes, rest),
                Data::Repeat => prop_assert!(command.bytes <= 64 * 1024),
            }
            prop_assert!((buffer + rest) as usize <= data.len());
            let entry = command.entry;
            let announced = scsi_nvme::data_phase(&cdb);
            prop_assert!(buffer == 0 || announced != scsi_nvme::DataPhase::Other);
            if command.queue == Queue::Io {
                prop_assert_eq!(entry.namespace, NamespaceId(1));
                let ranged = [io_opcode::READ, io_opcode::WRITE, io_opcode::COMPARE, io_opcode::WRITE_ZEROES, io_opcode::VERIFY];
                if ranged.contains(&entry.opcode()) {
                    let start = u64::from(entry.dword10) | u64::from(entry.dword11) << 32;
                    prop_assert!(start + u64::from(entry.dword12 & 0xFFFF) < BLOCKS);
                }
            }
            Ok(())
        };
        for step in 0.. {
            prop_assert!(step < 1024, "no end");
            match &next {
                Next::Submit(command) => check(command)?,
                Next::SubmitFused(first, second) => {
                    check(first)?;
                    check(second)?;
                }
                Next::Done { transferred } | Next::CacheSet { transferred, .. } | Next::Activate { transferred } => {
                    prop_assert!(*transferred as usize <= data.len());
                    break;
                }
                Next::Answer => {
                    let mut recorder = Recorder::default();
                    let length = exchange.answer(&area, &mut recorder) as usize;
                    prop_assert_eq!(length, recorder.bytes.len());
                    prop_assert!(length <= data.len());
                    let allowed = if cdb[0] == 0x03 { u16::from(cdb[4]) } else { u16::from_be_bytes([cdb[7], cdb[8]]) };
                    prop_assert!(length <= usize::from(allowed));
                    break;
                }
                // What is waited for ends.
                Next::Later => report[2] = 1,
                Next::Fail(outcome) => {
                    prop_assert_ne!(outcome.status, scsi::status::Status::GOOD);
                    break;
                }
            }
            area.0[..64].copy_from_slice(&report);
            let status = failure.filter(|(_, at)| *at == step).map_or(SUCCESS, |(bits, _)| Status::from_bits(bits));
            next = exchange.resume(status, &area);
        }
    }
}
