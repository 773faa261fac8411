//! READ, WRITE, SYNCHRONIZE CACHE, START STOP UNIT and TEST UNIT READY.

mod fixture;

use fixture::{BLOCKS, Bench, invalid_bit, invalid_byte, read_10, transfer_10, transfer_16, write_10};
use nvme::io::BlockRange;
use nvme::{DataPointer, NamespaceId};
use scsi::sense::Sense;
use scsi_nvme::{DataDirection, DataPhase, Namespace, NvmCommand, Transfer, Translation, data_phase};

const GOOD: Translation = Translation::Complete { length: 0 };
const FLUSH: Translation = Translation::Submit(NvmCommand::Flush {
    namespace: NamespaceId(1),
});

fn transfer(lba: u64, blocks: u32) -> Transfer {
    Transfer {
        namespace: NamespaceId(1),
        range: BlockRange::new(lba, blocks).unwrap(),
        force_unit_access: false,
        bytes: blocks * 512,
    }
}

#[test]
fn read_and_write_of_every_size_become_read_and_write() {
    let bench = Bench::default();
    let read = Translation::Submit(NvmCommand::Read(transfer(0x1234, 8)));
    let write = Translation::Submit(NvmCommand::Write(transfer(0x1234, 8)));
    let forms: [(u8, Vec<u8>); 4] = [
        (0x08, vec![0, 0, 0x12, 0x34, 8, 0]),
        (0x28, read_10(0x1234, 8).to_vec()),
        (0xA8, vec![0, 0, 0, 0, 0x12, 0x34, 0, 0, 0, 8, 0, 0]),
        (0x88, transfer_16(0, 0x1234, 8).to_vec()),
    ];
    for (opcode, mut cdb) in forms {
        cdb[0] = opcode;
        assert_eq!(bench.translation(&cdb), read);
        cdb[0] = opcode + 2;
        assert_eq!(bench.translation(&cdb), write);
    }
}

#[test]
fn submission_entry_carries_namespace_blocks_and_fua() {
    let bench = Bench::default();
    let mut cdb = transfer_16(0x8A, 0x1_0000, 16);
    cdb[1] = 0x08;
    let Translation::Submit(command) = bench.translation(&cdb) else {
        panic!("not submitted")
    };
    assert_eq!(
        (command.data_length(), command.namespace()),
        (8192, NamespaceId(1))
    );
    let dwords = command
        .submission_entry(DataPointer {
            prp1: 0xA000,
            prp2: 0xB000,
        })
        .to_dwords();
    assert_eq!(
        (dwords[0], dwords[1], dwords[6], dwords[8]),
        (0x01, 1, 0xA000, 0xB000)
    );
    assert_eq!((dwords[10], dwords[11], dwords[12]), (0x1_0000, 0, 0x4000_000F));
}

#[test]
fn flush_entry_has_no_data_pointer() {
    let command = NvmCommand::Flush {
        namespace: NamespaceId(7),
    };
    let dwords = command.submission_entry(DataPointer::page(0x1000)).to_dwords();
    assert_eq!((dwords[0], dwords[1], dwords[6]), (0x00, 7, 0));
    assert_eq!(command.data_length(), 0);
}

#[test]
fn the_last_block_can_be_read_and_the_one_behind_it_cannot() {
    let bench = Bench::default();
    let last = u32::try_from(BLOCKS - 1).unwrap();
    assert_eq!(
        bench.translation(&read_10(last, 1)),
        Translation::Submit(NvmCommand::Read(transfer(BLOCKS - 1, 1)))
    );
    bench.fails(&read_10(last, 2), Sense::LBA_OUT_OF_RANGE);
    bench.fails(&read_10(last + 1, 1), Sense::LBA_OUT_OF_RANGE);
    bench.fails(&write_10(u32::MAX, 1), Sense::LBA_OUT_OF_RANGE);
}

#[test]
fn an_lba_near_the_end_of_64_bits_does_not_wrap_around() {
    let mut bench = Bench {
        namespace: Namespace::new(NamespaceId(1), u64::MAX, 9),
        ..Bench::default()
    };
    bench.fails(&transfer_16(0x88, u64::MAX, 1), Sense::LBA_OUT_OF_RANGE);
    bench.fails(&transfer_16(0x88, u64::MAX - 1, 2), Sense::LBA_OUT_OF_RANGE);
    assert!(matches!(
        bench.translation(&transfer_16(0x88, u64::MAX - 1, 1)),
        Translation::Submit(_)
    ));
    bench.namespace = Namespace::new(NamespaceId(1), 1, 9);
    bench.fails(&transfer_16(0x8A, u64::MAX, 2), Sense::LBA_OUT_OF_RANGE);
}

#[test]
fn transfer_length_zero_transfers_nothing_and_is_good() {
    let mut bench = Bench {
        data_direction: DataDirection::None,
        data_length: 0,
        ..Bench::default()
    };
    assert_eq!(bench.translation(&read_10(0, 0)), GOOD);
    assert_eq!(bench.translation(&write_10(0, 0)), GOOD);
    let behind = u32::try_from(BLOCKS).unwrap();
    assert_eq!(bench.translation(&read_10(behind, 0)), GOOD);
    bench.fails(&read_10(behind + 1, 0), Sense::LBA_OUT_OF_RANGE);
    bench.namespace.as_mut().unwrap().write_protected = true;
    bench.fails(&write_10(0, 0), Sense::WRITE_PROTECTED);
}

#[test]
fn a_buffer_smaller_than_the_transfer_is_an_invalid_transfer_length() {
    let bench = Bench {
        data_length: 4095,
        ..Bench::default()
    };
    bench.fails(&read_10(0, 8), invalid_byte(7));
    bench.fails(&[0xAA, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0], invalid_byte(6));
    bench.fails(&transfer_16(0x8A, 0, 8), invalid_byte(10));
    bench.fails(&[0x08, 0, 0, 0, 0, 0], invalid_byte(4));
    assert!(matches!(
        bench.translation(&read_10(0, 7)),
        Translation::Submit(_)
    ));
}

#[test]
fn a_buffer_larger_than_the_transfer_moves_what_the_cdb_says() {
    let bench = Bench {
        data_length: 65536,
        ..Bench::default()
    };
    assert_eq!(
        bench.translation(&read_10(0, 1)),
        Translation::Submit(NvmCommand::Read(transfer(0, 1)))
    );
}

#[test]
fn a_transfer_above_the_controllers_limit_is_an_invalid_transfer_length() {
    let bench = Bench::default();
    assert!(matches!(
        bench.translation(&read_10(0, 1024)),
        Translation::Submit(_)
    ));
    bench.fails(&read_10(0, 1025), invalid_byte(7));
    bench.fails(&transfer_16(0x8A, 0, u32::MAX), invalid_byte(10));
}

#[test]
fn without_a_controller_limit_65536_blocks_are_the_most() {
    let mut bench = Bench {
        data_length: u32::MAX,
        ..Bench::default()
    };
    bench.controller.max_transfer_bytes = 0;
    let Translation::Submit(command) = bench.translation(&transfer_16(0x88, 0, 0x1_0000)) else {
        panic!("not submitted")
    };
    assert_eq!(command.data_length(), 0x1_0000 * 512);
    bench.fails(&transfer_16(0x88, 0, 0x1_0001), invalid_byte(10));
}

#[test]
fn a_transfer_of_4_gib_does_not_wrap_to_zero_bytes() {
    let mut bench = Bench {
        data_length: u32::MAX,
        namespace: Namespace::new(NamespaceId(1), BLOCKS, 16),
        ..Bench::default()
    };
    bench.controller.max_transfer_bytes = 0;
    bench.fails(&transfer_16(0x88, 0, 0x1_0000), invalid_byte(10));
}

#[test]
fn rdprotect_and_wrprotect_are_refused() {
    let bench = Bench::default();
    for opcode in [0x28, 0x2A] {
        for protect in 1..8 {
            let mut cdb = transfer_10(opcode, 0, 1);
            cdb[1] = protect << 5;
            bench.fails(&cdb, invalid_bit(1, 7));
        }
    }
}

#[test]
fn dpo_is_a_hint_and_changes_nothing() {
    let bench = Bench::default();
    let mut cdb = read_10(5, 1);
    cdb[1] = 0x10;
    assert_eq!(
        bench.translation(&cdb),
        Translation::Submit(NvmCommand::Read(transfer(5, 1)))
    );
}

#[test]
fn a_write_protected_namespace_is_read_and_not_written() {
    let bench = Bench::with_namespace(|namespace| namespace.write_protected = true);
    assert!(matches!(
        bench.translation(&read_10(0, 1)),
        Translation::Submit(_)
    ));
    bench.fails(&write_10(0, 1), Sense::WRITE_PROTECTED);
}

#[test]
fn the_buffers_direction_must_permit_the_transfer() {
    for (direction, read, write) in [
        (DataDirection::In, true, false),
        (DataDirection::Out, false, true),
        (DataDirection::Either, true, true),
        (DataDirection::None, false, false),
    ] {
        let bench = Bench {
            data_direction: direction,
            ..Bench::default()
        };
        assert_eq!(
            matches!(bench.translation(&read_10(0, 1)), Translation::Submit(_)),
            read
        );
        assert_eq!(
            matches!(bench.translation(&write_10(0, 1)), Translation::Submit(_)),
            write
        );
        if !read {
            bench.fails(&read_10(0, 1), invalid_byte(0));
        }
    }
}

#[test]
fn synchronize_cache_flushes_the_namespace() {
    let bench = Bench::default();
    assert_eq!(bench.translation(&[0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0]), FLUSH);
    assert_eq!(bench.translation(&[0x35, 0x02, 0, 0, 0, 1, 0, 0, 1, 0]), FLUSH);
    assert_eq!(bench.translation(&transfer_16(0x91, 0, 0)), FLUSH);
    bench.fails(&transfer_16(0x91, BLOCKS, 1), Sense::LBA_OUT_OF_RANGE);
    bench.fails(&transfer_16(0x91, u64::MAX, 0), Sense::LBA_OUT_OF_RANGE);
}

#[test]
fn a_disabled_cache_is_flushed_and_a_missing_one_is_not() {
    let mut bench = Bench::default();
    bench.controller.write_cache_enabled = false;
    assert_eq!(bench.translation(&transfer_16(0x91, 0, 0)), FLUSH);
    bench.controller.volatile_write_cache = false;
    assert_eq!(bench.translation(&transfer_16(0x91, 0, 0)), GOOD);
    assert_eq!(bench.translation(&[0x1B, 0, 0, 0, 0, 0]), GOOD);
}

#[test]
fn a_stop_flushes_unless_no_flush_is_set() {
    let bench = Bench::default();
    assert_eq!(bench.translation(&[0x1B, 0, 0, 0, 0x00, 0]), FLUSH);
    assert_eq!(bench.translation(&[0x1B, 1, 0, 0, 0x00, 0]), FLUSH);
    assert_eq!(bench.translation(&[0x1B, 0, 0, 0, 0x04, 0]), GOOD);
    assert_eq!(bench.translation(&[0x1B, 0, 0, 0, 0x01, 0]), GOOD);
}

#[test]
fn there_is_no_medium_to_eject_and_no_power_condition_but_active() {
    let bench = Bench::default();
    bench.fails(&[0x1B, 0, 0, 0, 0x02, 0], invalid_bit(4, 1));
    bench.fails(&[0x1B, 0, 0, 0, 0x03, 0], invalid_bit(4, 1));
    assert_eq!(bench.translation(&[0x1B, 0, 0, 0, 0x10, 0]), GOOD);
    bench.fails(&[0x1B, 0, 0, 1, 0x10, 0], invalid_bit(3, 3));
    for condition in (0x20..=0xF0).step_by(0x10) {
        bench.fails(&[0x1B, 0, 0, 0, condition, 0], invalid_bit(4, 7));
    }
}

#[test]
fn test_unit_ready_is_good() {
    assert_eq!(Bench::default().translation(&[0; 6]), GOOD);
}

#[test]
fn data_phase_knows_reads_and_writes_by_opcode_alone() {
    assert_eq!(
        [0x08, 0x28, 0xA8, 0x88].map(|opcode| data_phase(&[opcode])),
        [DataPhase::Read; 4]
    );
    assert_eq!(
        [0x0A, 0x2A, 0xAA, 0x8A].map(|opcode| data_phase(&[opcode])),
        [DataPhase::Write; 4]
    );
    assert_eq!(
        [0x12, 0x25, 0x35, 0xA0].map(|opcode| data_phase(&[opcode])),
        [DataPhase::Other; 4]
    );
    assert_eq!(data_phase(&[]), DataPhase::Other);
}

#[test]
fn geometry_that_cannot_be_is_no_namespace() {
    let new = |id, blocks, shift| Namespace::new(NamespaceId(id), blocks, shift).is_some();
    assert!(new(1, 1, 9) && new(u32::MAX - 1, u64::MAX, 16));
    assert!(!new(0, 1, 9) && !new(u32::MAX, 1, 9));
    assert!(!new(1, 0, 9) && !new(1, 1, 8) && !new(1, 1, 17) && !new(1, 1, 255));
}
