//! What holds for every CDB, buffer, controller and namespace.

mod fixture;

use fixture::Bench;
use nvme::NamespaceId;
use proptest::prelude::*;
use scsi::status::Status;
use scsi_nvme::{
    Controller, DataDirection, DataIn, DataPhase, Eraser, Features, Geometry, LunSet, Namespace, NvmCommand,
    Prepared, Request, Target, Translation, data_phase, outcome, translate,
};

/// Any bytes; mostly an operation code that the translation knows, since others end soon.
fn cdb() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        0x00, 0x03, 0x08, 0x0A, 0x12, 0x1A, 0x1B, 0x25, 0x28, 0x2A, 0x35, 0x5A, 0x88, 0x8A, 0x91, 0x9E, 0xA0,
        0xA8, 0xAA, 0x15, 0x2E, 0x2F, 0x34, 0x41, 0x42, 0x4D, 0x55, 0x5E, 0x5F, 0x89, 0x8E, 0x8F, 0x90, 0x93,
        0xA3, 0xAE, 0xAF, 0xA2, 0xB5, 0x3B, 0x48,
    ]);
    let rest = prop::collection::vec(prop_oneof![3 => Just(0), 1 => any::<u8>()], 0..24);
    let known = (known, rest).prop_map(|(opcode, mut rest)| {
        rest.insert(0, opcode);
        rest
    });
    prop_oneof![4 => known, 1 => prop::collection::vec(any::<u8>(), 0..24)]
}

fn direction() -> impl Strategy<Value = DataDirection> {
    prop::sample::select(vec![
        DataDirection::None,
        DataDirection::In,
        DataDirection::Out,
        DataDirection::Either,
    ])
}

fn eraser() -> impl Strategy<Value = Eraser> {
    prop::sample::select(vec![Eraser::None, Eraser::Sanitize, Eraser::Format])
}

prop_compose! {
    fn controller()(
        serial_number: [u8; 20],
        model in prop::collection::vec(any::<u8>(), 40),
        firmware_revision: [u8; 8],
        volatile_write_cache: bool,
        write_cache_enabled: bool,
        max_transfer_bytes in prop_oneof![Just(0), Just(u32::MAX), any::<u32>()],
        features: [bool; 9],
        erasers in [eraser(), eraser()],
    ) -> Controller {
        Controller {
            serial_number,
            model_number: model.try_into().unwrap(),
            firmware_revision,
            volatile_write_cache,
            write_cache_enabled,
            max_transfer_bytes,
            features: Features {
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
            },
        }
    }
}

prop_compose! {
    fn namespace()(
        id in 1..u32::MAX,
        blocks in prop_oneof![1_u64..=64, 1..=u64::MAX, Just(u64::MAX)],
        block_shift in 9_u8..=16,
        eui64 in prop_oneof![Just([0; 8]), any::<[u8; 8]>()],
        nguid in prop_oneof![Just([0; 16]), any::<[u8; 16]>()],
        write_protected: bool,
        physical_block_exponent: u8,
        preferred_write_granularity: u16,
        thin_provisioned: bool,
        deallocated_reads_zero: bool,
        reservation_capabilities: u8,
    ) -> Namespace {
        let mut namespace = Namespace::new(NamespaceId(id), blocks, block_shift).unwrap();
        namespace.eui64 = eui64;
        namespace.nguid = nguid;
        namespace.write_protected = write_protected;
        namespace.physical_block_exponent = physical_block_exponent;
        namespace.preferred_write_granularity = preferred_write_granularity;
        namespace.thin_provisioned = thin_provisioned;
        namespace.deallocated_reads_zero = deallocated_reads_zero;
        namespace.reservation_capabilities = reservation_capabilities;
        namespace
    }
}

prop_compose! {
    fn bench()(
        controller in controller(),
        namespace in prop::option::weighted(0.9, namespace()),
        luns in prop::collection::vec(any::<u8>(), 0..300),
        data_length in prop_oneof![0_u32..300, any::<u32>()],
        data_direction in direction(),
    ) -> Bench {
        Bench { controller, namespace, luns: luns.into_iter().collect::<LunSet>(), data_length, data_direction }
    }
}

/// ALLOCATION LENGTH of the commands that have one.
fn allocation_length(cdb: &[u8]) -> usize {
    let at = |first: usize, bytes: usize| {
        cdb[first..first + bytes]
            .iter()
            .fold(0, |value, byte| value << 8 | usize::from(*byte))
    };
    match cdb[0] {
        0x03 | 0x1A => at(4, 1),
        0x12 => at(3, 2),
        0x4D | 0x5A | 0x5E => at(7, 2),
        0x9E => at(10, 4),
        0xA0 | 0xA3 => at(6, 4),
        _ => usize::MAX,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// Never more data than the buffer holds or the CDB allows, and `length` counts what was written.
    #[test]
    fn an_answer_stays_within_the_buffer_and_the_allocation_length(bench in bench(), cdb in cdb()) {
        let (translation, bytes) = bench.run(&cdb);
        prop_assert!(bytes.len() <= usize::try_from(bench.data_length).unwrap());
        match translation {
            Translation::Complete { length } => {
                prop_assert_eq!(usize::try_from(length).unwrap(), bytes.len());
                prop_assert!(bytes.len() <= allocation_length(&cdb));
                let may_write = matches!(bench.data_direction, DataDirection::In | DataDirection::Either);
                prop_assert!(bytes.is_empty() || may_write);
            }
            Translation::Submit(_) | Translation::Fail(_) | Translation::Exchange(_) => prop_assert!(bytes.is_empty()),
        }
    }

    /// Every submitted command addresses existing blocks of this namespace, fits the buffer and the controller's limit,
    /// may move data that way, and was announced by `data_phase`.
    #[test]
    fn a_submitted_command_is_within_the_namespace_and_the_buffer(bench in bench(), cdb in cdb()) {
        let (translation, _) = bench.run(&cdb);
        let Translation::Submit(command) = translation else { return Ok(()) };
        let namespace = bench.namespace.as_ref().expect("no command without a namespace");
        prop_assert_eq!(command.namespace(), namespace.id());
        prop_assert!(command.data_length() <= bench.data_length);
        let (phase, permitted) = match command {
            NvmCommand::Read(_) => (DataPhase::Read, DataDirection::In),
            NvmCommand::Write(_) | NvmCommand::Compare(_) => (DataPhase::Write, DataDirection::Out),
            NvmCommand::Verify { range, .. } => {
                prop_assert!(range.start + u64::from(range.blocks_zero_based) < namespace.blocks());
                return Ok(());
            }
            NvmCommand::Flush { .. } => {
                prop_assert!(bench.controller.volatile_write_cache);
                prop_assert_eq!(data_phase(&cdb), DataPhase::Other);
                return Ok(());
            }
        };
        prop_assert_eq!(data_phase(&cdb), phase);
        prop_assert!([permitted, DataDirection::Either].contains(&bench.data_direction));
        let (NvmCommand::Read(transfer) | NvmCommand::Write(transfer) | NvmCommand::Compare(transfer)) = command else { unreachable!() };
        let blocks = u128::from(transfer.range.blocks_zero_based) + 1;
        prop_assert!(u128::from(transfer.range.start) + blocks <= u128::from(namespace.blocks()));
        prop_assert_eq!(u128::from(transfer.bytes), blocks << namespace.block_shift());
        let limit = bench.controller.max_transfer_bytes;
        prop_assert!(limit == 0 || transfer.bytes <= limit);
        prop_assert!(!(matches!(command, NvmCommand::Write(_)) && namespace.write_protected));
    }

    /// The short way says what the long way says: where it submits, the very same command; and it takes every READ and WRITE
    /// (10) and (16) of a whole buffer that the long way submits.
    #[test]
    fn the_short_way_is_the_long_way(
        bench in bench(),
        opcode in prop::sample::select(vec![0x28_u8, 0x2A, 0x88, 0x8A, 0x08, 0xA8]),
        rest in prop::collection::vec(prop_oneof![5 => Just(0), 1 => any::<u8>()], 15),
        length in 0_usize..=16,
        fitting: bool,
    ) {
        let mut cdb = [0; 16];
        cdb[0] = opcode;
        cdb[1..].copy_from_slice(&rest);
        let mut bench = bench;
        let Some(namespace) = bench.namespace.clone() else { return Ok(()) };
        if fitting
            && let Ok(scsi::cdb::Command::Read(access) | scsi::cdb::Command::Write(access)) = scsi::cdb::Command::parse(&cdb[..length])
        {
            bench.data_length = access.blocks.wrapping_shl(u32::from(namespace.block_shift()));
        }
        let (translation, _) = bench.run(&cdb[..length]);
        let data = nvme::DataPointer { prp1: 0x1000, prp2: 0x2000 };
        let short = Prepared::new(&cdb, length, bench.data_direction).and_then(|prepared| {
            let words = Geometry::new(&namespace, &bench.controller).map_or([0; 2], Geometry::to_words);
            let geometry = Geometry::from_words(words);
            geometry
                .admits(prepared.range, bench.data_length)
                .then(|| prepared.submission_entry(data).with_namespace(geometry.namespace))
        });
        match (short, translation) {
            (Some(entry), Translation::Submit(command)) => {
                prop_assert_eq!(entry, command.submission_entry(data));
                prop_assert_eq!(command.data_length(), bench.data_length);
            }
            (Some(_), other) => prop_assert!(false, "the long way says {other:?}"),
            (None, Translation::Submit(command)) => {
                let unusual = matches!(opcode, 0x08 | 0xA8)
                    || command.data_length() != bench.data_length
                    || namespace.write_protected;
                prop_assert!(unusual, "a usual command took the long way: {cdb:02x?}");
            }
            (None, _) => {}
        }
    }

    /// A failure has a reason, and the pointer to the wrong field points at a byte of the CDB or right behind it.
    #[test]
    fn a_failure_is_check_condition_with_sense(bench in bench(), cdb in cdb()) {
        if let (Translation::Fail(outcome), _) = bench.run(&cdb) {
            prop_assert_eq!(outcome.status, Status::CHECK_CONDITION);
            let sense = outcome.sense.expect("CHECK CONDITION without sense");
            prop_assert!(sense.field.is_none_or(|field| usize::from(field.byte) <= cdb.len()));
        }
    }

    /// Memory behind a driver's own scratch buffer is not touched, however small the buffer.
    #[test]
    fn a_slice_takes_what_fits(bench in bench(), cdb in cdb(), size in 0_usize..300) {
        let (_, whole) = bench.run(&cdb);
        let mut memory = vec![0xEE; size];
        let request =
            Request { cdb: &cdb, data_length: bench.data_length, data_direction: bench.data_direction };
        let target =
            Target { controller: &bench.controller, namespace: bench.namespace.as_ref(), luns: &bench.luns };
        let mut slice = &mut memory[..];
        let _ = translate(&request, &target, &mut slice as &mut dyn DataIn);
        let fits = whole.len().min(size);
        prop_assert_eq!(&memory[..fits], &whole[..fits]);
        prop_assert!(memory[fits..].iter().all(|byte| *byte == 0xEE));
    }

    /// Every status of a device, known or not, becomes one SCSI status, with sense exactly if it is CHECK CONDITION.
    #[test]
    fn any_completion_status_has_an_outcome(bits: u16) {
        let status = nvme::Status::from_bits(bits);
        let outcome = outcome(status);
        prop_assert_eq!(outcome.sense.is_some(), outcome.status == Status::CHECK_CONDITION);
        prop_assert_eq!(outcome.status == Status::GOOD, status.is_success());
    }
}
