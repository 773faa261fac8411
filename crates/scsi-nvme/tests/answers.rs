//! READ CAPACITY, REPORT LUNS, REQUEST SENSE, MODE SENSE, and the common rules of answers.

mod fixture;

use fixture::{BLOCKS, Bench, inquiry, invalid_bit, invalid_byte};
use nvme::NamespaceId;
use scsi::sense::Sense;
use scsi_nvme::{DataDirection, Eraser, LunSet, Namespace};

const READ_CAPACITY_10: [u8; 10] = [0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn read_capacity_16(allocation_length: u8) -> [u8; 16] {
    [
        0x9E,
        0x10,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        allocation_length,
        0,
        0,
    ]
}

fn report_luns(select: u8, allocation_length: u32) -> [u8; 12] {
    let [a, b, c, d] = allocation_length.to_be_bytes();
    [0xA0, 0, select, 0, 0, 0, a, b, c, d, 0, 0]
}

#[test]
fn read_capacity_10_tells_the_last_lba_and_the_block_length() {
    assert_eq!(
        Bench::default().answer(&READ_CAPACITY_10),
        [0, 0x1F, 0xFF, 0xFF, 0, 0, 2, 0]
    );
}

#[test]
fn read_capacity_10_of_a_large_namespace_says_so() {
    let at = |blocks| Bench {
        namespace: Namespace::new(NamespaceId(1), blocks, 12),
        ..Bench::default()
    };
    assert_eq!(
        at(0xFFFF_FFFF).answer(&READ_CAPACITY_10)[..4],
        [0xFF, 0xFF, 0xFF, 0xFE]
    );
    assert_eq!(at(0x1_0000_0000).answer(&READ_CAPACITY_10)[..4], [0xFF; 4]);
    assert_eq!(
        at(0x1_0000_0001).answer(&READ_CAPACITY_10),
        [0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0x10, 0]
    );
}

#[test]
fn read_capacity_16_tells_the_whole_lba_and_the_physical_block() {
    let bench = Bench::with_namespace(|namespace| namespace.physical_block_exponent = 3);
    let mut expected = [0; 32];
    expected[..12].copy_from_slice(&[0, 0, 0, 0, 0, 0x1F, 0xFF, 0xFF, 0, 0, 2, 0]);
    expected[13] = 3;
    // LBPME: Dataset Management unmaps.
    expected[14] = 0x80;
    assert_eq!(bench.answer(&read_capacity_16(32)), expected);
    assert_eq!(bench.answer(&read_capacity_16(12)), expected[..12]);
    let mut bench = Bench::with_namespace(|namespace| namespace.deallocated_reads_zero = true);
    assert_eq!(bench.answer(&read_capacity_16(32))[14], 0xC0);
    bench.controller.features.dataset_management = false;
    assert_eq!(bench.answer(&read_capacity_16(32))[14], 0);
}

#[test]
fn report_luns_lists_the_luns_in_order() {
    let mut bench = Bench {
        luns: [3, 0].into_iter().collect(),
        ..Bench::default()
    };
    let list = [
        0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0,
    ];
    assert_eq!(bench.answer(&report_luns(0, 255)), list);
    assert_eq!(bench.answer(&report_luns(2, 255)), list);
    bench.namespace = None;
    assert_eq!(bench.answer(&report_luns(0, 255)), list);
}

#[test]
fn report_luns_keeps_the_length_of_the_whole_list_when_it_is_cut() {
    let bench = Bench {
        luns: (0..=255).collect(),
        ..Bench::default()
    };
    let answer = bench.answer(&report_luns(0, 20));
    assert_eq!(
        answer,
        [0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]
    );
    assert_eq!(bench.answer(&report_luns(0, u32::MAX)).len(), 8 + 8 * 256);
    assert_eq!(bench.answer(&report_luns(0, 0)), []);
}

#[test]
fn there_are_no_well_known_logical_units_and_no_other_lists() {
    let bench = Bench::default();
    assert_eq!(bench.answer(&report_luns(1, 255)), [0; 8]);
    bench.fails(&report_luns(3, 255), invalid_byte(2));
    bench.fails(&report_luns(0x11, 255), invalid_byte(2));
}

#[test]
fn report_luns_of_a_target_without_luns_is_an_empty_list() {
    let bench = Bench {
        luns: LunSet::EMPTY,
        ..Bench::absent()
    };
    assert_eq!(bench.answer(&report_luns(0, 255)), [0; 8]);
}

#[test]
fn request_sense_has_nothing_pending() {
    let mut bench = Bench::default();
    bench.controller.features.block_erase = Eraser::None;
    assert_eq!(bench.answer(&[0x03, 0, 0, 0, 252, 0]), Sense::NONE.to_fixed());
    assert_eq!(
        bench.answer(&[0x03, 1, 0, 0, 252, 0]),
        [0x72, 0, 0, 0, 0, 0, 0, 0]
    );
    assert_eq!(bench.answer(&[0x03, 0, 0, 0, 3, 0]), [0x70, 0, 0]);
}

#[test]
fn request_sense_to_an_absent_lun_returns_good_with_the_reason_as_data() {
    let expected = Sense::LOGICAL_UNIT_NOT_SUPPORTED.to_fixed();
    assert_eq!(Bench::absent().answer(&[0x03, 0, 0, 0, 252, 0]), expected);
}

#[test]
fn every_other_command_to_an_absent_lun_is_lun_not_supported() {
    let bench = Bench::absent();
    let commands: [&[u8]; 7] = [
        &[0; 6],
        &READ_CAPACITY_10,
        &read_capacity_16(32),
        &fixture::read_10(0, 1),
        &fixture::write_10(0, 1),
        &[0x1A, 0, 0x3F, 0, 192, 0],
        &[0xFF],
    ];
    for cdb in commands {
        bench.fails(cdb, Sense::LOGICAL_UNIT_NOT_SUPPORTED);
    }
    bench.fails(&[0x12, 0, 0, 0], invalid_byte(4));
    bench.fails(&[], Sense::LOGICAL_UNIT_NOT_SUPPORTED);
}

#[test]
fn an_unsupported_opcode_is_invalid_command_operation_code() {
    let bench = Bench::default();
    for opcode in [0x04, 0x16, 0x17, 0x3C, 0x7F, 0x8B, 0x9F, 0xFF] {
        let mut cdb = [0; 16];
        cdb[0] = opcode;
        bench.fails(&cdb, Sense::INVALID_OPCODE);
    }
}

const HEADER_6: [u8; 4] = [31, 0, 0x10, 8];
const HEADER_6_ALL: [u8; 4] = [95, 0, 0x10, 8];
const SHORT_DESCRIPTOR: [u8; 8] = [0, 0x20, 0, 0, 0, 0, 2, 0];

fn caching_page(flags: u8) -> Vec<u8> {
    let mut page = vec![0x08, 0x12, flags];
    page.resize(20, 0);
    page
}

#[test]
fn mode_sense_6_returns_header_descriptor_and_caching_page() {
    let bench = Bench::default();
    let expected = [&HEADER_6[..], &SHORT_DESCRIPTOR, &caching_page(0x04)].concat();
    for page in [0x08, 0x88] {
        for subpage in [0x00, 0xFF] {
            assert_eq!(bench.answer(&[0x1A, 0, page, subpage, 192, 0]), expected);
        }
    }
}

#[test]
fn all_pages_come_in_ascending_order() {
    let mut power_condition = [0; 40];
    power_condition[..2].copy_from_slice(&[0x1A, 0x26]);
    let expected = [
        &HEADER_6_ALL[..],
        &SHORT_DESCRIPTOR,
        &caching_page(0x04),
        &[0x0A, 0x0A, 0x02, 0x10, 0, 0, 0, 0, 0, 0, 0, 0],
        &power_condition,
        &[0x1C, 0x0A, 0, 0x06, 0, 0, 0, 0, 0, 0, 0, 0],
    ]
    .concat();
    let bench = Bench::default();
    assert_eq!(bench.answer(&[0x1A, 0, 0x3F, 0, 255, 0]), expected);
    assert_eq!(bench.answer(&[0x1A, 0, 0xBF, 0xFF, 255, 0]), expected);
    assert_eq!(
        bench.answer(&[0x1A, 0x08, 0x0A, 0, 255, 0])[4..],
        expected[32..44]
    );
}

#[test]
fn dbd_leaves_the_block_descriptor_out() {
    let expected = [&[23, 0, 0x10, 0][..], &caching_page(0x04)].concat();
    assert_eq!(Bench::default().answer(&[0x1A, 0x08, 0x08, 0, 192, 0]), expected);
}

#[test]
fn mode_sense_10_returns_short_descriptors_unless_long_ones_are_accepted() {
    let bench = Bench::default();
    let short = [
        &[0, 34, 0, 0x10, 0, 0, 0, 8][..],
        &SHORT_DESCRIPTOR,
        &caching_page(0x04),
    ]
    .concat();
    assert_eq!(bench.answer(&[0x5A, 0, 0x08, 0, 0, 0, 0, 0, 255, 0]), short);
    let descriptor = [0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0];
    let long = [
        &[0, 42, 0, 0x10, 1, 0, 0, 16][..],
        &descriptor,
        &caching_page(0x04),
    ]
    .concat();
    assert_eq!(bench.answer(&[0x5A, 0x10, 0x08, 0, 0, 0, 0, 0, 255, 0]), long);
    let none = [&[0, 26, 0, 0x10, 0, 0, 0, 0][..], &caching_page(0x04)].concat();
    assert_eq!(bench.answer(&[0x5A, 0x18, 0x08, 0, 0, 0, 0, 0, 255, 0]), none);
}

#[test]
fn wce_is_one_only_with_a_cache_that_is_enabled() {
    let mut bench = Bench::default();
    let mut flags = |present, enabled| {
        bench.controller.volatile_write_cache = present;
        bench.controller.write_cache_enabled = enabled;
        bench.answer(&[0x1A, 0x08, 0x08, 0, 192, 0])[6]
    };
    assert_eq!(
        [flags(true, true), flags(true, false), flags(false, true)],
        [0x04, 0, 0]
    );
}

#[test]
fn wce_of_a_cache_is_changeable_and_nothing_else_and_nothing_is_saved() {
    let mut bench = Bench::default();
    assert_eq!(
        bench.answer(&[0x1A, 0x08, 0x48, 0, 192, 0])[4..],
        caching_page(0x04)
    );
    for page in [0x4A, 0x5A, 0x5C] {
        let mask = bench.answer(&[0x1A, 0x08, page, 0, 192, 0]);
        assert!(mask[6..].iter().all(|byte| *byte == 0), "{page:#x}");
    }
    bench.controller.volatile_write_cache = false;
    assert_eq!(bench.answer(&[0x1A, 0x08, 0x48, 0, 192, 0])[4..], caching_page(0));
    let bench = Bench::default();
    bench.fails(
        &[0x1A, 0x08, 0xC8, 0, 192, 0],
        Sense::SAVING_PARAMETERS_NOT_SUPPORTED,
    );
}

#[test]
fn write_protection_shows_in_the_device_specific_parameter() {
    let bench = Bench::with_namespace(|namespace| namespace.write_protected = true);
    assert_eq!(bench.answer(&[0x1A, 0, 0x3F, 0, 192, 0])[2], 0x90);
    assert_eq!(bench.answer(&[0x5A, 0, 0x3F, 0, 0, 0, 0, 0, 255, 0])[3], 0x90);
}

#[test]
fn unsupported_mode_pages_and_subpages_are_invalid_fields() {
    let bench = Bench::default();
    for page in (0..0x3F).filter(|page| ![0x08, 0x0A, 0x1A, 0x1C].contains(page)) {
        bench.fails(&[0x1A, 0, page, 0, 192, 0], invalid_bit(2, 5));
    }
    bench.fails(&[0x1A, 0, 0x08, 1, 192, 0], invalid_byte(3));
    bench.fails(&[0x5A, 0, 0x3F, 1, 0, 0, 0, 0, 255, 0], invalid_byte(3));
}

#[test]
fn an_answer_is_cut_to_the_allocation_length_and_to_the_buffer() {
    let mut bench = Bench::default();
    assert_eq!(bench.answer(&[0x1A, 0, 0x3F, 0, 5, 0]), [95, 0, 0x10, 8, 0]);
    bench.data_length = 4;
    assert_eq!(bench.answer(&[0x1A, 0, 0x3F, 0, 192, 0]), HEADER_6_ALL);
    assert_eq!(bench.answer(&READ_CAPACITY_10), [0, 0x1F, 0xFF, 0xFF]);
}

#[test]
fn an_answer_into_a_buffer_for_output_is_refused_unless_the_buffer_is_empty() {
    for data_direction in [DataDirection::Out, DataDirection::None] {
        let mut bench = Bench {
            data_direction,
            ..Bench::default()
        };
        bench.fails(&inquiry(None, 36), invalid_byte(0));
        bench.fails(&READ_CAPACITY_10, invalid_byte(0));
        bench.data_length = 0;
        assert_eq!(bench.answer(&inquiry(None, 36)), []);
    }
}

#[test]
fn blocks_of_4096_bytes_are_told_everywhere() {
    let namespace = Namespace::new(NamespaceId(2), BLOCKS, 12).unwrap();
    assert_eq!(
        (namespace.block_length(), namespace.last_lba()),
        (4096, BLOCKS - 1)
    );
    let bench = Bench {
        namespace: Some(namespace),
        ..Bench::default()
    };
    assert_eq!(bench.answer(&READ_CAPACITY_10)[4..], [0, 0, 0x10, 0]);
    assert_eq!(bench.answer(&read_capacity_16(32))[8..12], [0, 0, 0x10, 0]);
    assert_eq!(bench.answer(&[0x1A, 0, 0x08, 0, 192, 0])[8..12], [0, 0, 0x10, 0]);
}
