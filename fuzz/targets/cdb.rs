//! CDBs as an initiator may send them: every one is answered, and within its buffer.
#![no_main]

#[path = "../../crates/scsi-nvme/tests/fixture/mod.rs"]
mod fixture;

use fixture::Bench;
use libfuzzer_sys::fuzz_target;
use scsi_nvme::{DataDirection, Translation};

fuzz_target!(|data: &[u8]| {
    let [flags, a, b, c, cdb @ ..] = data else { return };
    let mut bench = if flags & 1 == 0 { Bench::default() } else { Bench::absent() };
    bench.data_length = u32::from_le_bytes([*a, *b, *c, 0]);
    bench.data_direction = match flags >> 1 & 3 {
        0 => DataDirection::None,
        1 => DataDirection::In,
        2 => DataDirection::Out,
        _ => DataDirection::Either,
    };
    let (translation, answer) = bench.run(cdb);
    assert!(answer.len() <= bench.data_length as usize);
    match translation {
        Translation::Complete { length } => assert_eq!(length as usize, answer.len()),
        Translation::Submit(command) => assert!(command.data_length() <= bench.data_length),
        Translation::Exchange(_) | Translation::Fail(_) => {}
    }
});
