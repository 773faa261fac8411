//! The open headers against a real kit's figures.
//!
//! `tests/data/kit-10.0.16299.json` holds sizes, alignments, field offsets, enumerators and constants that
//! clang computed from the headers of the Windows 10 1709 kit. The same figures are computed here from the
//! open headers, and whatever both know must agree. What is newer than that kit is compared with
//! `tests/data/inferred.json`: figures of tier I, read from published type information of later versions, and
//! counted apart. A name that both lack must stand in [`DOCUMENTED_ONLY`], so that no figure goes unchecked by
//! oversight.

use std::collections::BTreeMap;

use bindgen::Builder;
use regex::Regex;
use serde::Deserialize;

use crate::{ApiSubset, BuilderExt, Config, DriverConfig, headers::SearchPath};

/// Prefixes of names that the kit's figures have no entry for.
const DOCUMENTED_ONLY: &[&str] = &[
    // From Microsoft's documentation; the kit spells them with casts, or its figures leave them out.
    "ADDRESS_TYPE_FLAG_BTL8",
    "EVENT_NAME_MAX_LENGTH",
    "EVENT_PARAMETER_NAME_MAX_LENGTH",
    "SP_",
    "STATE_CHANGE_",
    "_DMA_SPEED",
    "_DMA_WIDTH",
    "_KINTERRUPT_MODE",
    // mingw-w64's own, of which it leaves structures unnamed that the kit names.
    "_PCI_COMMON_CONFIG__bindgen_ty_1",
    "_PCI_COMMON_HEADER__bindgen_ty_1__",
];

#[derive(Debug, Default, Deserialize)]
struct Figures {
    size: BTreeMap<String, i64>,
    align: BTreeMap<String, i64>,
    offset: BTreeMap<String, i64>,
    #[serde(rename = "enum")]
    enumerations: BTreeMap<String, BTreeMap<String, i64>>,
    #[serde(rename = "const")]
    constants: BTreeMap<String, i64>,
}

impl Figures {
    fn figures(&self) -> usize {
        let enumerators: usize = self.enumerations.values().map(BTreeMap::len).sum();
        self.size.len() + self.align.len() + self.offset.len() + self.constants.len() + enumerators
    }
}

/// How many figures were compared, and those that differ.
#[derive(Debug, Default)]
struct Comparison {
    compared: BTreeMap<&'static str, usize>,
    inferred: usize,
    differences: Vec<String>,
    unknown: Vec<String>,
}

impl Comparison {
    fn between(ours: &Figures, kit: &Figures) -> Self {
        let inferred = inferred();
        let mut comparison = Self::default();
        comparison.maps("sizes", &ours.size, &kit.size, &inferred.size);
        comparison.maps("alignments", &ours.align, &kit.align, &inferred.align);
        comparison.maps("offsets", &ours.offset, &kit.offset, &inferred.offset);
        comparison.maps("constants", &ours.constants, &kit.constants, &inferred.constants);
        let none = BTreeMap::new();
        for (name, enumerators) in &ours.enumerations {
            let later = inferred.enumerations.get(name).unwrap_or(&none);
            match kit.enumerations.get(name) {
                Some(kit) => comparison.maps("enumerators", enumerators, kit, later),
                None if later.is_empty() => comparison.note_unknown(name),
                None => comparison.maps("enumerators", enumerators, &none, later),
            }
        }
        comparison
    }

    fn maps(
        &mut self,
        kind: &'static str,
        ours: &BTreeMap<String, i64>,
        kit: &BTreeMap<String, i64>,
        inferred: &BTreeMap<String, i64>,
    ) {
        for (name, value) in ours {
            match kit.get(name).or_else(|| inferred.get(name)) {
                Some(expected) => {
                    if kit.contains_key(name) {
                        *self.compared.entry(kind).or_default() += 1;
                    } else {
                        self.inferred += 1;
                    }
                    // C's unsigned and signed spellings of 32 bits are the same bits.
                    if value != expected && value & 0xFFFF_FFFF != expected & 0xFFFF_FFFF {
                        self.differences
                            .push(format!("{kind}: {name} is {value}, in the kit {expected}"));
                    }
                }
                None => self.note_unknown(name),
            }
        }
    }

    fn note_unknown(&mut self, name: &str) {
        if !DOCUMENTED_ONLY.iter().any(|prefix| name.starts_with(prefix)) {
            self.unknown.push(name.to_owned());
        }
    }

    fn total(&self) -> usize {
        self.compared.values().sum()
    }
}

fn kit() -> Figures {
    serde_json::from_str(include_str!("../tests/data/kit-10.0.16299.json")).unwrap()
}

fn inferred() -> Figures {
    serde_json::from_str(include_str!("../tests/data/inferred.json")).unwrap()
}

/// The figures that clang computes from the open headers, read from the layout assertions that bindgen
/// writes.
fn open_headers(extra_clang_argument: &str) -> Figures {
    let config = Config {
        driver_config: DriverConfig::Wdm,
        search_path: SearchPath::from_env(),
    };
    let contents = config
        .bindgen_header_contents([ApiSubset::Base, ApiSubset::Storage])
        .unwrap();
    let bindings = Builder::wdk_default(&config)
        .unwrap()
        .clang_args(["--target=x86_64-pc-windows-msvc", extra_clang_argument])
        .header_contents("kit-abi.h", &contents)
        .allowlist_file(r".*/include/storport(/\w+)?\.h")
        .allowlist_type(
            "_?(MEMORY_CACHING_TYPE|BUS_DATA_TYPE|INTERFACE_TYPE|DEVICE_POWER_STATE|SRB_IO_CONTROL)",
        )
        .allowlist_type("_?PCI_(COMMON_CONFIG|COMMON_HEADER|SLOT_NUMBER|CAPABILITIES_HEADER)")
        .allowlist_var("PCI_(CAPABILITY_ID|ENABLE|STATUS|ADDRESS|TYPE[0-9_])_?.*")
        .layout_tests(true)
        .generate()
        .unwrap()
        .to_string();
    parse(&bindings)
}

fn parse(bindings: &str) -> Figures {
    let mut figures = Figures::default();
    let text = Regex::new(r"\s+").unwrap().replace_all(bindings, " ");
    let assertion =
        Regex::new(r#""(Size of|Alignment of|Offset of field:) ([\w:]+)",? ?\]\s?\[.*?- (\d+)usize"#)
            .unwrap();
    for found in assertion.captures_iter(&text) {
        let value = found[3].parse().unwrap();
        match &found[1] {
            "Size of" => figures.size.insert(found[2].to_owned(), value),
            "Alignment of" => figures.align.insert(found[2].to_owned(), value),
            _ => figures.offset.insert(found[2].to_owned(), value),
        };
    }
    let module = Regex::new(r"pub mod (\w+) \{(.*?)\}").unwrap();
    let enumerator = Regex::new(r"pub const (\w+): Type = (-?\d+);").unwrap();
    for found in module.captures_iter(&text) {
        let enumerators = enumerator
            .captures_iter(&found[2])
            .map(|one| (one[1].to_owned(), one[2].parse().unwrap()));
        figures
            .enumerations
            .insert(found[1].to_owned(), enumerators.collect());
    }
    let constant = Regex::new(r"pub const (\w+): (?:u32|i32|u64|i64) = (-?\d+);").unwrap();
    for found in constant.captures_iter(&text) {
        figures
            .constants
            .insert(found[1].to_owned(), found[2].parse().unwrap());
    }
    figures
}

#[test]
fn open_headers_agree_with_a_real_kit() {
    let comparison = Comparison::between(&open_headers("-DFERROPORT_NOTHING"), &kit());
    println!(
        "compared with kit 10.0.16299: {:?}, {} in all; with later type information: {}",
        comparison.compared,
        comparison.total(),
        comparison.inferred
    );
    assert!(comparison.differences.is_empty(), "{:#?}", comparison.differences);
    assert!(
        comparison.unknown.is_empty(),
        "neither in the kit's figures nor in DOCUMENTED_ONLY: {:#?}",
        comparison.unknown
    );
    let known: usize = inferred().figures();
    assert_eq!(
        comparison.inferred, known,
        "inferred figures that the headers do not declare"
    );
    for (kind, at_least) in [
        ("sizes", 60),
        ("offsets", 400),
        ("constants", 200),
        ("enumerators", 200),
    ] {
        assert!(
            comparison.compared[kind] >= at_least,
            "only {} {kind} were compared",
            comparison.compared[kind]
        );
    }
}

fn assert_bites(mutation: &str, expected: &[&str]) {
    let differences = Comparison::between(&open_headers(mutation), &kit()).differences;
    for difference in expected {
        assert!(
            differences.iter().any(|one| one == difference),
            "{difference:?} not among {differences:#?}"
        );
    }
}

/// The comparison itself is worth something only if it sees wrong headers.
#[test]
fn an_added_field_a_shifted_enumerator_and_a_wrong_constant_are_seen() {
    assert_bites(
        "-DRangeLength=RangeLength,RangeExtra",
        &[
            "sizes: _ACCESS_RANGE is 24, in the kit 16",
            "offsets: _ACCESS_RANGE::RangeInMemory is 16, in the kit 12",
        ],
    );
    assert_bites(
        "-DExtFunctionFreePool=ExtFunctionInserted,ExtFunctionFreePool",
        &["enumerators: ExtFunctionQueueWorkItem is 31, in the kit 30"],
    );
    assert_bites(
        "-DExtFunctionFreeDmaMemory=ExtFunctionInserted,ExtFunctionFreeDmaMemory",
        &["enumerators: ExtFunctionEnableRegistryKeyNotification is 119, in the kit 118"],
    );
    let mut wrong = open_headers("-DFERROPORT_NOTHING");
    wrong.constants.insert("SRB_STATUS_BUSY".to_owned(), 6);
    assert_eq!(
        Comparison::between(&wrong, &kit()).differences,
        ["constants: SRB_STATUS_BUSY is 6, in the kit 5"]
    );
}
