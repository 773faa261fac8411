extern crate std;

use proptest::prelude::*;
use std::vec::Vec;

use super::*;
use crate::mode;
use crate::vpd;

fn media(command: Result<Command, CdbError>) -> MediaAccess {
    match command {
        Ok(Command::Read(access) | Command::Write(access)) => access,
        other => panic!("not a READ or WRITE: {other:?}"),
    }
}

#[test]
fn read_6_has_a_21_bit_lba_and_means_256_by_zero() {
    let access = media(Command::parse(&[0x08, 0xFF, 0x02, 0x03, 0x00, 0x00]));
    assert_eq!((access.lba, access.blocks), (0x1F_0203, 256));
    assert_eq!((access.protect, access.fua, access.dpo), (0, false, false));
    assert_eq!(media(Command::parse(&[0x0A, 0, 0, 9, 7, 0])).blocks, 7);
}

#[test]
fn read_10_fields_stand_where_sbc_3_has_them() {
    let access = media(Command::parse(&[0x28, 0xB8, 1, 2, 3, 4, 0x1F, 5, 6, 0]));
    assert_eq!((access.lba, access.blocks), (0x0102_0304, 0x0506));
    assert_eq!((access.protect, access.dpo, access.fua), (0b101, true, true));
    assert_eq!(access.transfer_length_field, FieldPointer::byte(7));
}

#[test]
fn write_12_fields_stand_where_sbc_3_has_them() {
    let access = media(Command::parse(&[0xAA, 0x08, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0]));
    assert_eq!((access.lba, access.blocks), (0x0102_0304, 0x0506_0708));
    assert_eq!((access.protect, access.dpo, access.fua), (0, false, true));
    assert_eq!(access.transfer_length_field, FieldPointer::byte(6));
}

#[test]
fn write_16_fields_stand_where_sbc_3_has_them() {
    let access = media(Command::parse(&[
        0x8A, 0x10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 0,
    ]));
    assert_eq!((access.lba, access.blocks), (0x0102_0304_0506_0708, 0x090A_0B0C));
    assert_eq!((access.protect, access.dpo, access.fua), (0, true, false));
    assert_eq!(access.transfer_length_field, FieldPointer::byte(10));
}

#[test]
fn reads_and_writes_are_told_apart_in_every_size() {
    let is_read = |opcode| matches!(Command::parse(&padded(opcode)), Ok(Command::Read(_)));
    let is_write = |opcode| matches!(Command::parse(&padded(opcode)), Ok(Command::Write(_)));
    assert!([0x08, 0x28, 0x88, 0xA8].into_iter().all(is_read));
    assert!([0x0A, 0x2A, 0x8A, 0xAA].into_iter().all(is_write));
}

#[test]
fn synchronize_cache_fields_stand_where_sbc_3_has_them() {
    assert_eq!(
        Command::parse(&[0x35, 0x02, 1, 2, 3, 4, 0, 5, 6, 0]),
        Ok(Command::SynchronizeCache(SynchronizeCache {
            lba: 0x0102_0304,
            blocks: 0x0506,
            immediate: true
        }))
    );
    assert_eq!(
        Command::parse(&[0x91, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 0]),
        Ok(Command::SynchronizeCache(SynchronizeCache {
            lba: 0x0102_0304_0506_0708,
            blocks: 0x090A_0B0C,
            immediate: false
        }))
    );
}

#[test]
fn start_stop_unit_fields_stand_where_sbc_3_has_them() {
    assert_eq!(
        Command::parse(&[0x1B, 0x01, 0, 0xFA, 0x37, 0]),
        Ok(Command::StartStopUnit(StartStopUnit {
            immediate: true,
            power_condition: PowerCondition::STANDBY,
            modifier: 0x0A,
            no_flush: true,
            load_eject: true,
            start: true,
        }))
    );
}

#[test]
fn inquiry_tells_standard_data_from_vpd_pages() {
    assert_eq!(
        Command::parse(&[0x12, 0, 0, 1, 2, 0]),
        Ok(Command::Inquiry(Inquiry {
            page: None,
            allocation_length: 0x0102
        }))
    );
    assert_eq!(
        Command::parse(&[0x12, 1, 0x83, 0, 0xFF, 0]),
        Ok(Command::Inquiry(Inquiry {
            page: Some(vpd::PageCode::DEVICE_IDENTIFICATION),
            allocation_length: 0xFF
        }))
    );
}

#[test]
fn inquiry_with_a_page_code_but_without_evpd_is_an_invalid_field() {
    assert_eq!(
        Command::parse(&[0x12, 0, 0x80, 0, 0xFF, 0]),
        Err(CdbError::InvalidField(FieldPointer::byte(2)))
    );
}

#[test]
fn mode_sense_fields_stand_where_spc_4_has_them() {
    assert_eq!(
        Command::parse(&[0x1A, 0x08, 0x48, 0xFF, 0xC0, 0]),
        Ok(Command::ModeSense(ModeSense {
            form: ModeSenseForm::Six,
            disable_block_descriptors: true,
            page_control: mode::PageControl::Changeable,
            page: mode::PageCode::CACHING,
            subpage: mode::SubpageCode::ALL,
            allocation_length: 0xC0,
        }))
    );
    assert_eq!(
        Command::parse(&[0x5A, 0x10, 0xBF, 0, 0, 0, 0, 1, 2, 0]),
        Ok(Command::ModeSense(ModeSense {
            form: ModeSenseForm::Ten {
                long_lba_accepted: true
            },
            disable_block_descriptors: false,
            page_control: mode::PageControl::Default,
            page: mode::PageCode::ALL,
            subpage: mode::SubpageCode::NONE,
            allocation_length: 0x0102,
        }))
    );
}

#[test]
fn report_luns_accepts_the_three_select_reports_of_a_simple_target() {
    let parse = |select| Command::parse(&[0xA0, 0, select, 0, 0, 0, 1, 2, 3, 4, 0, 0]);
    for (select, select_report) in [
        (0, SelectReport::LogicalUnits),
        (1, SelectReport::WellKnown),
        (2, SelectReport::All),
    ] {
        let expected = ReportLuns {
            select_report,
            allocation_length: 0x0102_0304,
        };
        assert_eq!(parse(select), Ok(Command::ReportLuns(expected)));
    }
    assert_eq!(parse(0x10), Err(CdbError::InvalidField(FieldPointer::byte(2))));
}

#[test]
fn service_action_in_16_knows_read_capacity_and_get_lba_status() {
    let cdb = [0x9E, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0];
    assert_eq!(
        Command::parse(&cdb),
        Ok(Command::ReadCapacity16(ReadCapacity16 {
            allocation_length: 32
        }))
    );
    assert_eq!(
        Command::parse(&[0x9E, 0x12, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 24, 0, 0]),
        Ok(Command::GetLbaStatus(GetLbaStatus {
            lba: 0x102,
            allocation_length: 24
        }))
    );
    let error = Command::parse(&[0x9E, 0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0]).unwrap_err();
    assert_eq!(error, CdbError::UnsupportedServiceAction);
    assert_eq!(error.sense(), Sense::invalid_field(FieldPointer::bit(1, 4)));
}

#[test]
fn verify_and_write_same_flags_stand_where_sbc_3_has_them() {
    let Ok(Command::Verify(verify)) = Command::parse(&[0x2F, 0xB2, 1, 2, 3, 4, 0, 5, 6, 0]) else {
        panic!("no VERIFY");
    };
    assert_eq!(verify.byte_check, ByteCheck::Data);
    assert_eq!(
        (
            verify.access.lba,
            verify.access.blocks,
            verify.access.protect,
            verify.access.dpo
        ),
        (0x0102_0304, 0x0506, 0b101, true)
    );
    let error = Command::parse(&[0x2F, 0x04, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap_err();
    assert_eq!(error, CdbError::InvalidField(FieldPointer::bit(1, 2)));
    let Ok(Command::WriteSame(same)) =
        Command::parse(&[0x93, 0x19, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 9, 0, 0])
    else {
        panic!("no WRITE SAME");
    };
    assert!(same.unmap && same.anchor && same.no_data);
    assert_eq!((same.access.lba, same.access.blocks), (7, 9));
    let Ok(Command::WriteSame(ten)) = Command::parse(&[0x41, 0x01, 0, 0, 0, 7, 0, 0, 9, 0]) else {
        panic!("no WRITE SAME (10)");
    };
    assert!(!ten.no_data, "bit 0 is obsolete in WRITE SAME (10)");
}

#[test]
fn compare_and_write_counts_its_blocks_in_byte_13() {
    let Ok(Command::CompareAndWrite(access)) =
        Command::parse(&[0x89, 0x18, 0, 0, 0, 0, 0, 0, 0, 5, 9, 9, 9, 3, 0, 0])
    else {
        panic!("no COMPARE AND WRITE");
    };
    assert_eq!(
        (access.lba, access.blocks, access.fua, access.dpo),
        (5, 3, true, true)
    );
}

#[test]
fn reservation_fields_stand_where_spc_4_has_them() {
    assert_eq!(
        Command::parse(&[0x5F, 0x01, 0x03, 0, 0, 0, 0, 1, 24, 0]),
        Ok(Command::PersistentReserveOut(PersistentReserveOut {
            service_action: PersistentReserveOut::RESERVE,
            scope: 0,
            kind: 3,
            parameter_list_length: 0x118
        }))
    );
    assert_eq!(
        Command::parse(&[0x5E, 4, 0, 0, 0, 0, 0, 0, 8, 0]),
        Err(CdbError::UnsupportedServiceAction)
    );
}

#[test]
fn request_sense_tells_the_two_formats_apart() {
    assert_eq!(
        Command::parse(&[0x03, 1, 0, 0, 252, 0]),
        Ok(Command::RequestSense(RequestSense {
            descriptor_format: true,
            allocation_length: 252
        }))
    );
}

#[test]
fn unknown_opcodes_and_the_empty_cdb_are_invalid_operation_codes() {
    assert_eq!(Command::parse(&[]), Err(CdbError::UnsupportedOpcode));
    for opcode in [0x04, 0x16, 0x7F, 0xC0, 0xFF] {
        let error = Command::parse(&padded(opcode)).unwrap_err();
        assert_eq!(error.sense(), Sense::INVALID_OPCODE);
    }
}

#[test]
fn naca_is_refused_with_a_pointer_to_its_bit() {
    for (opcode, last) in [(0x00, 5), (0x12, 5), (0x28, 9), (0x5A, 9), (0x88, 15), (0xA0, 11)] {
        let mut cdb = padded(opcode);
        cdb[usize::from(last)] = 0x04;
        assert_eq!(
            Command::parse(&cdb),
            Err(CdbError::InvalidField(FieldPointer::bit(last, 2)))
        );
    }
}

/// Sixteen bytes of a supported operation code parse unless they are cut below their group's length.
#[test]
fn a_cdb_shorter_than_its_group_is_truncated_where_it_ends() {
    for (opcode, length) in [
        (0x00, 6),
        (0x12, 6),
        (0x25, 10),
        (0x28, 10),
        (0x35, 10),
        (0x5A, 10),
        (0x88, 16),
        (0xA0, 12),
        (0xA8, 12),
    ] {
        let cdb = padded(opcode);
        assert!(Command::parse(&cdb[..length]).is_ok(), "{opcode:#04x}");
        for end in 1..length {
            let error = Command::parse(&cdb[..end]).unwrap_err();
            let field = FieldPointer::byte(u16::try_from(end).unwrap());
            assert_eq!(
                error.sense(),
                Sense::invalid_field(field),
                "{opcode:#04x} cut to {end}"
            );
        }
    }
}

fn padded(opcode: u8) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[0] = opcode;
    cdb
}

proptest! {
    /// Bytes of any length and content are a command or an error; what follows the CDB is of no account.
    #[test]
    fn any_bytes_parse_and_bytes_behind_the_cdb_do_not_matter(
        cdb in proptest::collection::vec(any::<u8>(), 0..40),
        behind in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let result = Command::parse(&cdb);
        if cdb.len() >= 16 {
            let mut longer: Vec<u8> = cdb[..16].to_vec();
            longer.extend(&behind);
            prop_assert_eq!(Command::parse(&longer), result);
        }
    }

    /// An error points into the CDB, or right behind one that is too short.
    #[test]
    fn errors_point_into_the_cdb(cdb in proptest::collection::vec(any::<u8>(), 1..17)) {
        if let Some(field) = Command::parse(&cdb).err().and_then(|error| error.sense().field) {
            prop_assert!(usize::from(field.byte) <= cdb.len());
        }
    }
}

#[test]
fn security_protocol_fields_stand_where_spc_4_has_them() {
    let parse =
        |opcode, increments| match Command::parse(&[opcode, 0xEF, 1, 2, increments, 0, 0, 3, 4, 5, 0, 0]) {
            Ok(Command::SecurityProtocolIn(command) | Command::SecurityProtocolOut(command)) => command,
            other => panic!("not a SECURITY PROTOCOL command: {other:?}"),
        };
    for opcode in [0xA2, 0xB5] {
        let command = parse(opcode, 0);
        assert_eq!(
            (command.protocol, command.specific, command.bytes),
            (0xEF, 0x0102, 0x03_0405)
        );
        // INC_512.
        assert_eq!(parse(opcode, 0x80).bytes, 0x0608_0A00);
    }
}

#[test]
fn write_buffer_fields_stand_where_spc_4_has_them() {
    let parse = |mode| Command::parse(&[0x3B, mode, 2, 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F, 0]);
    for (mode, expected) in [
        (0x05, WriteBufferMode::DownloadSaveActivate),
        (0xEE, WriteBufferMode::DownloadSaveDefer),
        (0x0F, WriteBufferMode::ActivateDeferred),
    ] {
        let command = WriteBuffer {
            mode: expected,
            buffer: 2,
            offset: 0x0A_0B0C,
            bytes: 0x0D_0E0F,
        };
        assert_eq!(parse(mode), Ok(Command::WriteBuffer(command)));
    }
    assert_eq!(parse(0x07), Err(CdbError::InvalidField(WriteBuffer::MODE_FIELD)));
}
