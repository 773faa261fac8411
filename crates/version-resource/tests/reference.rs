//! The writer against a resource compiler's output, and its refusals.

use proptest::prelude::*;
use version_resource::{Error, Version, VersionInfo, to_res_file};

fn info(strings: &[(&str, &str)]) -> VersionInfo {
    let strings = strings
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    VersionInfo {
        version: Version([1, 2, 3, 4]),
        debug: true,
        strings,
    }
}

/// `reference.res` was made by LLVM 14: `llvm-rc /no-preprocess /FO reference.res reference.rc`.
#[test]
fn bytes_are_those_of_a_resource_compiler() {
    let strings = [
        ("CompanyName", "Somebody"),
        ("FileDescription", "A driver"),
        ("OriginalFilename", "odd.sys"),
        ("Comments", ""),
    ];
    assert_eq!(
        to_res_file(&info(&strings)),
        Ok(include_bytes!("data/reference.res").to_vec())
    );
}

#[test]
fn a_string_that_would_end_early_is_refused() {
    assert_eq!(
        to_res_file(&info(&[("Comments", "a\0b")])),
        Err(Error::Nul("a\0b".to_owned()))
    );
}

#[test]
fn a_resource_longer_than_its_length_field_is_refused() {
    assert_eq!(
        to_res_file(&info(&[("Comments", &"x".repeat(40_000))])),
        Err(Error::TooLong)
    );
    let pairs = vec![("Comments", "x"); 3_000];
    assert_eq!(to_res_file(&info(&pairs)), Err(Error::TooLong));
}

/// Reads a structure's length, value length in bytes, key and the rest behind value and padding.
fn parse(bytes: &[u8]) -> (usize, Vec<u8>, String, usize) {
    let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let key: Vec<u16> = (6..).step_by(2).map(word).take_while(|unit| *unit != 0).collect();
    let value_at = (6 + 2 * (key.len() + 1)).next_multiple_of(4);
    let value_length = usize::from(word(2)) * if word(4) == 1 { 2 } else { 1 };
    let value = bytes[value_at..value_at + value_length].to_vec();
    let children_at = (value_at + value_length).next_multiple_of(4);
    (
        usize::from(word(0)),
        value,
        String::from_utf16(&key).unwrap(),
        children_at,
    )
}

/// A key and its value.
fn pair() -> impl Strategy<Value = (String, String)> {
    ("[A-Za-z]{1,20}", "[^\\x00]{0,60}")
}

proptest! {
    #[test]
    fn every_string_can_be_read_back(strings in prop::collection::vec(pair(), 0..20)) {
        let info = VersionInfo { version: Version([9, 8, 7, 6]), debug: false, strings: strings.clone() };
        let bytes = info.to_bytes().unwrap();
        let (length, fixed, key, at) = parse(&bytes);
        prop_assert_eq!((length, fixed.len(), key.as_str()), (bytes.len(), 52, "VS_VERSION_INFO"));
        let (_, _, key, inner) = parse(&bytes[at..]);
        prop_assert_eq!(key, "StringFileInfo");
        let table = at + inner;
        let (table_length, _, key, first) = parse(&bytes[table..]);
        prop_assert_eq!(key, "040904b0");
        let mut read = Vec::new();
        let mut next = table + first;
        while next < table + table_length {
            let (length, value, key, _) = parse(&bytes[next..]);
            let units: Vec<u16> =
                value.chunks_exact(2).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]])).collect();
            prop_assert_eq!(units.last(), Some(&0));
            read.push((key, String::from_utf16(&units[..units.len() - 1]).unwrap()));
            next = (next + length).next_multiple_of(4);
        }
        prop_assert_eq!(read, strings);
    }
}
