//! No file makes the loader panic.

use std::path::Path;

use proptest::prelude::*;

use super::{
    super::{Image, Origin},
    builder::Builder,
};
use crate::trap::Registers;

fn survive(file: &[u8]) {
    let Ok(image) = Image::from_bytes(file, Path::new("mutant.sys"), None, &mut |_| None) else {
        return;
    };
    let stack = [0_u64; 64];
    let mut registers = Registers {
        rip: image.entry() as u64,
        ..Registers::default()
    };
    registers.general[4] = stack.as_ptr() as u64;
    let _ = image.backtrace(&registers, Origin::Interrupted, None);
    let _ = image.writable_code_sections();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes(file in proptest::collection::vec(any::<u8>(), 0..2048)) {
        survive(&file);
        let mut named = b"MZ".to_vec();
        named.extend(&file);
        survive(&named);
    }

    #[test]
    fn mutated_drivers(
        changes in proptest::collection::vec((0_usize..0x1000, any::<u8>()), 1..12),
        cut in proptest::option::of(0_usize..0x1000),
    ) {
        let mut file = Builder::driver(&[0xc3]).build();
        for (at, byte) in changes {
            let at = at % file.len();
            file[at] = byte;
        }
        if let Some(cut) = cut {
            file.truncate(cut);
        }
        survive(&file);
    }

    #[test]
    fn header_fields_with_extreme_values(field in 0_usize..0x80, value in prop_oneof![
        Just(0_u32), Just(1), Just(u32::MAX), Just(i32::MAX.cast_unsigned()), Just(0xffff_f000), any::<u32>()
    ]) {
        let mut file = Builder::driver(&[0xc3]).build();
        let at = 0x40 + 4 * field;
        file[at..at + 4].copy_from_slice(&value.to_le_bytes());
        survive(&file);
    }
}
