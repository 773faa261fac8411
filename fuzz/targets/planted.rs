//! A crash planted behind five bytes, one comparison each: chance alone needs 2^40 tries, coverage a few thousand. Shows that the fuzzer
//! bites.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut right = 0;
    for (byte, wanted) in data.iter().zip(b"ferro") {
        if byte != wanted {
            return;
        }
        right += 1;
        // A branch of its own for each byte, so that each is seen to be covered.
        match right {
            1 => std::hint::black_box(&1),
            2 => std::hint::black_box(&2),
            3 => std::hint::black_box(&3),
            4 => std::hint::black_box(&4),
            _ => panic!("planted"),
        };
    }
});
