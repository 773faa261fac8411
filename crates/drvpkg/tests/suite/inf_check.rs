//! The INF checker: silent on ours, and each rule bites.

use drvpkg::{
    civil::DriverVersion,
    inf::{
        Inf, Stamp,
        check::{
            RULES, check,
            proof::{FAULTS, RIGHT, caught},
        },
        query::Architecture,
    },
};
use proptest::prelude::*;

const OURS: [(&str, &[u8]); 3] = [
    ("ferronvme", include_bytes!("../../../../inf/ferronvme.inx")),
    (
        "ferronvme-class",
        include_bytes!("../../../../inf/ferronvme-class.inx"),
    ),
    ("pvscsi", include_bytes!("../../../../examples/pvscsi/pvscsi.inx")),
];

fn stamped(name: &str, bytes: &[u8], architecture: Architecture) -> Inf {
    let mut inf = Inf::read(bytes).unwrap();
    let stamp = Stamp {
        architecture,
        date: "11/23/2026".parse().unwrap(),
        version: DriverVersion([1, 2, 3, 4]),
        catalog: format!("{name}.cat"),
    };
    stamp.apply(&mut inf).unwrap();
    inf
}

fn ids(inf: &Inf) -> Vec<String> {
    check(inf).iter().map(ToString::to_string).collect()
}

#[test]
fn ours_break_no_rule_but_the_class_match_on_purpose() {
    for (name, bytes) in OURS {
        for architecture in [Architecture::Amd64, Architecture::Arm64] {
            let inf = stamped(name, bytes, architecture);
            let findings = check(&inf);
            let expected: &[&str] = if name == "ferronvme-class" {
                &["class-match"]
            } else {
                &[]
            };
            let found: Vec<&str> = findings.iter().map(|finding| finding.rule.id).collect();
            assert_eq!(found, expected, "{name}: {findings:#?}");
        }
    }
}

#[test]
fn the_right_inf_is_right() {
    assert_eq!(ids(&Inf::read(RIGHT.as_bytes()).unwrap()), Vec::<String>::new());
}

#[test]
fn each_rule_bites_and_alone() {
    let mut missed = Vec::new();
    for fault in FAULTS {
        assert_eq!(
            RIGHT.matches(fault.from).count(),
            1,
            "{}: {:?} stands there not once",
            fault.rule,
            fault.from
        );
        assert!(
            RULES.iter().any(|rule| rule.id == fault.rule),
            "{} is no rule",
            fault.rule
        );
        let found: Vec<String> = fault.findings().iter().map(ToString::to_string).collect();
        if !fault.is_caught() {
            missed.push(format!("{} by {:?}: {found:#?}", fault.rule, fault.to));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    let caught: Vec<&str> = caught().iter().map(|rule| rule.id).collect();
    let all: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(caught, all);
}

#[test]
fn findings_say_line_rule_and_number() {
    let inf = Inf::read(
        RIGHT
            .replace("PnpLockdown = 1\n", "")
            .replace("sample.cat", "x")
            .as_bytes(),
    )
    .unwrap();
    assert_eq!(
        ids(&inf),
        [
            "line 1: warning pnp-lockdown: it is not. PnpLockdown is 1: nobody but Plug and Play changes the files.",
            "line 6: error catalog (InfVerif 1233): 'x' is no .cat file. CatalogFile names the catalog that is signed.",
        ]
    );
}

proptest! {
    #[test]
    fn no_text_is_too_much(text in "(?s)(\\[|\\]|=|,|%|\"|\n|[A-Za-z.]{1,12}|(CopyFiles|AddReg|AddService|Needs|HKR)=?){0,200}") {
        let _ = check(&Inf::read(text.as_bytes()).unwrap());
    }

    #[test]
    fn no_change_of_a_byte_is_too_much(at in 0..RIGHT.len(), byte in 0x20_u8..0x7f) {
        let mut bytes = RIGHT.as_bytes().to_vec();
        bytes[at] = byte;
        let _ = check(&Inf::read(&bytes).unwrap());
    }
}
