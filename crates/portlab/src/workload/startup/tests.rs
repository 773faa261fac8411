//! Every check is seen to fail on a disk that is wrong in just that way.

use super::*;
use crate::workload::{
    memory_disk::{Defect, MemoryDisk},
    progress::Silent,
};

fn start(defect: Defect) -> Startup {
    run(&MemoryDisk::new(4096, 512, defect), &Silent)
}

#[test]
fn a_right_disk_passes() {
    let startup = start(Defect::None);
    let failures: Vec<_> = startup.failures().collect();
    assert!(failures.is_empty(), "{failures:?}");
    assert_eq!(startup.units.len(), 1);
    let unit = &startup.units[0];
    assert_eq!(
        (
            unit.vendor.as_str(),
            unit.product.as_str(),
            unit.revision.as_str()
        ),
        ("LAB", "MEMORY DISK", "1.0")
    );
    assert_eq!(
        (unit.blocks, unit.block_size, unit.write_cache),
        (4096, 512, Some(true))
    );
    assert_eq!(unit.serial.as_deref(), Some("SERIAL"));
}

#[test]
fn each_defect_fails_its_check() {
    for (defect, command) in [
        (Defect::AcceptsAll, "reserved operation code 1F"),
        (Defect::NoEnd, "READ(16) beyond the end"),
        (Defect::OldInquiry, "INQUIRY"),
        (Defect::TwoSizes, "READ CAPACITY(16)"),
        (Defect::LongDesignator, "INQUIRY page 83"),
        (Defect::ShortModePage, "MODE SENSE(6) page 08"),
        (Defect::ListsTooMuch, "INQUIRY page B2"),
    ] {
        let startup = start(defect);
        assert!(
            startup.failures().any(|check| check.command == command),
            "{defect:?}: {:?}",
            startup.checks
        );
    }
}

mod answers {
    use proptest::prelude::*;

    use super::super::{UnitReport, answers::*};

    #[test]
    fn several_units_are_listed() {
        let mut data = vec![0, 0, 0, 16, 0, 0, 0, 0];
        data.extend([0, 0, 0, 0, 0, 0, 0, 0, 0x40, 3, 0, 0, 0, 0, 0, 0]);
        assert_eq!(luns(&data), Ok(vec![0, 3]));
        data[3] = 24;
        assert!(luns(&data).is_err(), "length beyond the data");
        data[3] = 16;
        data[8 + 9] = 0;
        assert!(luns(&data).is_err(), "the same unit twice");
    }

    #[test]
    fn a_capacity_beyond_32_bits_agrees_with_the_short_form() {
        let sixteen = Geometry {
            blocks: 1 << 33,
            block_size: 512,
        };
        let ten = capacity_10(&[0xff, 0xff, 0xff, 0xff, 0, 0, 2, 0]).expect("capacity");
        assert!(sixteen.agrees_with(ten).is_ok());
        assert!(
            Geometry {
                blocks: 1 << 20,
                block_size: 512
            }
            .agrees_with(ten)
            .is_err()
        );
        assert!(
            capacity_10(&[0, 0, 0, 1, 0, 0, 2, 1]).is_err(),
            "513 bytes a block"
        );
    }

    proptest! {
        #[test]
        fn no_answer_panics(data in proptest::collection::vec(any::<u8>(), 0..300), page in any::<u8>()) {
            let mut report = UnitReport::default();
            let _ = standard_inquiry(&data, &mut report);
            let _ = supported_pages(&data);
            let _ = product_data(page, &data, &mut report);
            let _ = luns(&data);
            let _ = capacity_10(&data);
            let _ = capacity_16(&data);
            let _ = mode_page(&data, 8, ModeHeader::Six).and_then(|page| caching(&page, &mut report));
            let _ = mode_page(&data, 8, ModeHeader::Ten);
        }

        #[test]
        fn no_framed_page_panics(mut data in proptest::collection::vec(any::<u8>(), 4..200), page in any::<u8>()) {
            data[1] = page;
            data[2] = 0;
            data[3] = u8::try_from(data.len() - 4).expect("small");
            let _ = product_data(page, &data, &mut UnitReport::default());
        }
    }
}
