//! INQUIRY: standard data and VPD pages.

mod fixture;

use fixture::{Bench, inquiry, invalid_byte};
use scsi::sense::Sense;

const EUI64: [u8; 8] = [0x52, 0x54, 0x00, 0x00, 0x00, 0xAB, 0xCD, 0xEF];
const NGUID: [u8; 16] = [
    0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF, 0x01,
];

fn with_identifiers(eui64: [u8; 8], nguid: [u8; 16]) -> Bench {
    Bench::with_namespace(|namespace| {
        namespace.eui64 = eui64;
        namespace.nguid = nguid;
    })
}

/// The designators of a page 83h, as (code set, type, designator).
fn designators(page: &[u8]) -> Vec<(u8, u8, Vec<u8>)> {
    assert_eq!(page[..2], [0x00, 0x83]);
    assert_eq!(
        usize::from(u16::from_be_bytes([page[2], page[3]])),
        page.len() - 4
    );
    let mut rest = &page[4..];
    let mut list = Vec::new();
    while let [code_set, kind, 0, length, tail @ ..] = rest {
        let (designator, tail) = tail.split_at(usize::from(*length));
        list.push((*code_set, *kind, designator.to_vec()));
        rest = tail;
    }
    assert!(rest.is_empty());
    list
}

#[test]
fn standard_data_identify_an_nvme_disk() {
    let data = Bench::default().answer(&inquiry(None, 255));
    assert_eq!(data[..8], [0x00, 0x00, 0x06, 0x02, 69, 0x00, 0x00, 0x02]);
    assert_eq!(&data[8..36], b"NVMe    QEMU NVMe Ctrl  .2.9");
    assert_eq!(data.len(), 74);
}

#[test]
fn standard_data_are_cut_to_36_bytes_for_a_class_driver() {
    let bench = Bench::default();
    assert_eq!(
        bench.answer(&inquiry(None, 36)),
        bench.answer(&inquiry(None, 255))[..36]
    );
}

#[test]
fn revision_is_the_last_four_bytes_that_are_not_padding() {
    let revision = |firmware: &[u8; 8]| {
        let mut bench = Bench::default();
        bench.controller.firmware_revision = *firmware;
        bench.answer(&inquiry(None, 36))[32..36].to_vec()
    };
    assert_eq!(revision(b"2B2QEXM7"), b"EXM7");
    assert_eq!(revision(b"1.0     "), b"1.0 ");
    assert_eq!(revision(b"1.0\0\0\0\0\0"), b"1.0 ");
    assert_eq!(revision(b"        "), b"    ");
    assert_eq!(revision(&[0xFF; 8]), b"    ");
}

#[test]
fn an_absent_lun_has_peripheral_qualifier_011b() {
    let bench = Bench::absent();
    assert_eq!(bench.answer(&inquiry(None, 36))[0], 0x7F);
    assert_eq!(bench.answer(&inquiry(Some(0x00), 255)), [0x7F, 0x00, 0, 1, 0x00]);
    bench.fails(&inquiry(Some(0x80), 255), invalid_byte(2));
}

#[test]
fn supported_pages_are_ascending_and_each_of_them_answers() {
    let bench = Bench::default();
    let list = bench.answer(&inquiry(Some(0x00), 255));
    assert_eq!(list, [0x00, 0x00, 0, 7, 0x00, 0x80, 0x83, 0x86, 0xB0, 0xB1, 0xB2]);
    for page in &list[4..] {
        assert_eq!(bench.answer(&inquiry(Some(*page), 255))[1], *page);
    }
}

#[test]
fn every_page_that_is_not_listed_is_an_invalid_field() {
    let bench = Bench::default();
    for page in (0..=255).filter(|page| ![0x00, 0x80, 0x83, 0x86, 0xB0, 0xB1, 0xB2].contains(page)) {
        bench.fails(&inquiry(Some(page), 255), invalid_byte(2));
    }
}

#[test]
fn a_page_code_without_evpd_is_an_invalid_field() {
    Bench::default().fails(&[0x12, 0x00, 0x83, 0, 255, 0], invalid_byte(2));
}

#[test]
fn naca_is_refused() {
    Bench::default().fails(&[0x12, 0, 0, 0, 36, 0x04], fixture::invalid_bit(5, 2));
}

#[test]
fn unit_serial_number_of_an_eui64_has_20_characters() {
    let page = with_identifiers(EUI64, [0; 16]).answer(&inquiry(Some(0x80), 255));
    assert_eq!(page[..4], [0x00, 0x80, 0, 20]);
    assert_eq!(&page[4..], b"5254_0000_00AB_CDEF.");
}

#[test]
fn unit_serial_number_of_an_nguid_has_40_characters_and_comes_before_the_eui64() {
    for eui64 in [[0; 8], EUI64] {
        let page = with_identifiers(eui64, NGUID).answer(&inquiry(Some(0x80), 255));
        assert_eq!(page[..4], [0x00, 0x80, 0, 40]);
        assert_eq!(&page[4..], b"1122_3344_5566_7788_99AA_BBCC_DDEE_FF01.");
    }
}

#[test]
fn unit_serial_number_without_identifiers_is_the_controllers_with_the_nsid() {
    let page = Bench::default().answer(&inquiry(Some(0x80), 255));
    assert_eq!(page[..4], [0x00, 0x80, 0, 30]);
    assert_eq!(&page[4..], b"FP0123456789        _00000001.");
}

#[test]
fn a_serial_number_of_garbage_stays_graphic_ascii() {
    let mut bench = Bench::default();
    bench.controller.serial_number = [0x80; 20];
    assert_eq!(
        &bench.answer(&inquiry(Some(0x80), 255))[4..],
        b"                    _00000001."
    );
}

#[test]
fn device_identification_of_an_eui64_is_binary_and_a_name_string() {
    let page = with_identifiers(EUI64, [0; 16]).answer(&inquiry(Some(0x83), 255));
    let name = b"eui.5254000000ABCDEF\0\0\0\0".to_vec();
    assert_eq!(
        designators(&page),
        [(0x01, 0x02, EUI64.to_vec()), (0x03, 0x08, name)]
    );
}

#[test]
fn device_identification_puts_the_nguid_before_the_eui64() {
    let page = with_identifiers(EUI64, NGUID).answer(&inquiry(Some(0x83), 255));
    let names = [
        b"eui.112233445566778899AABBCCDDEEFF01\0\0\0\0".to_vec(),
        b"eui.5254000000ABCDEF\0\0\0\0".to_vec(),
    ];
    let [nguid_name, eui64_name] = names;
    assert_eq!(
        designators(&page),
        [
            (0x01, 0x02, NGUID.to_vec()),
            (0x03, 0x08, nguid_name),
            (0x01, 0x02, EUI64.to_vec()),
            (0x03, 0x08, eui64_name)
        ]
    );
}

#[test]
fn device_identification_without_identifiers_is_based_on_the_t10_vendor_id() {
    let page = Bench::default().answer(&inquiry(Some(0x83), 255));
    let designator = b"NVMe    QEMU NVMe Ctrl  FP0123456789        00000001".to_vec();
    assert_eq!(designators(&page), [(0x02, 0x01, designator)]);
}

#[test]
fn a_cut_page_keeps_the_length_of_the_whole_one() {
    let page = with_identifiers(EUI64, NGUID).answer(&inquiry(Some(0x83), 8));
    assert_eq!(page, [0x00, 0x83, 0, 104, 0x01, 0x02, 0x00, 16]);
}

#[test]
fn block_limits_tell_the_longest_transfer_in_blocks() {
    let mut bench = Bench::with_namespace(|namespace| namespace.preferred_write_granularity = 8);
    let page = bench.answer(&inquiry(Some(0xB0), 255));
    assert_eq!(page.len(), 64);
    // WSNZ, 8 blocks to compare and write.
    assert_eq!(page[..12], [0x00, 0xB0, 0, 0x3C, 1, 8, 0, 8, 0, 0, 4, 0]);
    assert_eq!(page[20..28], [0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 1, 0], "UNMAP");
    assert_eq!(page[36..44], [0, 0, 0, 0, 0, 0, 0xFF, 0xFF], "WRITE SAME");
    bench.controller.max_transfer_bytes = 0;
    assert_eq!(bench.answer(&inquiry(Some(0xB0), 255))[8..12], [0, 1, 0, 0]);
}

/// What page B0h promises is what READ and WRITE accept.
#[test]
fn the_longest_transfer_is_accepted_and_one_block_more_is_not() {
    let bench = Bench::default();
    let page = bench.answer(&inquiry(Some(0xB0), 255));
    let blocks = u32::from_be_bytes([page[8], page[9], page[10], page[11]]);
    let submitted = |blocks| {
        let cdb = fixture::transfer_16(0x88, 0, blocks);
        matches!(bench.translation(&cdb), scsi_nvme::Translation::Submit(_))
    };
    assert!(submitted(blocks) && !submitted(blocks + 1));
}

#[test]
fn without_the_commands_their_limits_and_their_flags_are_zero() {
    let mut bench = Bench::with_namespace(|namespace| {
        namespace.thin_provisioned = true;
        namespace.deallocated_reads_zero = true;
    });
    assert_eq!(
        bench.answer(&inquiry(Some(0xB2), 255)),
        [0, 0xB2, 0, 4, 0, 0xE4, 2, 0]
    );
    bench.controller.features = scsi_nvme::Features::default();
    assert_eq!(
        bench.answer(&inquiry(Some(0xB2), 255)),
        [0, 0xB2, 0, 4, 0, 0, 0, 0]
    );
    let page = bench.answer(&inquiry(Some(0xB0), 255));
    assert_eq!((page[5], &page[20..28]), (0, &[0; 8][..]));
}

#[test]
fn block_device_characteristics_say_non_rotating_in_3ch_bytes() {
    let page = Bench::default().answer(&inquiry(Some(0xB1), 255));
    assert_eq!((page.len(), &page[..6]), (64, &[0x00, 0xB1, 0, 0x3C, 0, 1][..]));
}

#[test]
fn an_absent_lun_fails_a_malformed_inquiry_by_its_field() {
    let bench = Bench::absent();
    bench.fails(&[0x12, 0, 0x80, 0, 36, 0], invalid_byte(2));
    bench.fails(&[0x00], Sense::LOGICAL_UNIT_NOT_SUPPORTED);
}
