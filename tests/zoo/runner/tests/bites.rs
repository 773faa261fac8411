//! The zoo as a check of the lab, and a check of that check: a lab that does not judge a rule fails the rule's rows.

use std::path::{Path, PathBuf};

use zoo_keeper::{
    label::Label,
    report::{Report, Row},
    round::Round,
};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

fn drivers() -> PathBuf {
    let folder = repository().join("target/zoo");
    assert!(folder.is_dir(), "no {}: run ./x build-zoo", folder.display());
    folder
}

fn labels() -> Vec<Label> {
    let folders: Vec<PathBuf> = ["tests/zoo/src/bin", "tests/zoo/c"]
        .iter()
        .map(|folder| repository().join(folder))
        .filter(|folder| folder.is_dir())
        .collect();
    Label::read_all(&folders).unwrap_or_else(|error| panic!("{error}"))
}

fn walk(labels: &[Label], without: Option<&str>) -> Vec<Row> {
    let drivers = drivers();
    let round = Round {
        keeper: Path::new(env!("CARGO_BIN_EXE_zoo-keeper")),
        drivers: &drivers,
        without,
    };
    round.walk(labels)
}

#[test]
fn every_wrong_driver_is_caught_and_no_right_one() {
    let report = Report::new(walk(&labels(), None), std::time::Duration::ZERO);
    assert!(report.ok, "{}", report.table());
    assert!(report.rules >= 60, "{} rules", report.rules);
    assert_eq!(report.caught, report.rules);
    assert_eq!((report.false_alarms, report.failures), (0, 0));
    assert!(report.clean >= 5, "{} right drivers", report.clean);
}

#[test]
fn the_guide_has_these_rules() {
    let path = repository().join("docs/guide/rules.md");
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let page = zoo_keeper::page::page(&labels());
    assert!(
        written == page,
        "{} is not current: run ./x zoo, and commit it",
        path.display()
    );
}

#[test]
fn a_lab_that_does_not_judge_a_rule_fails_its_rows() {
    for label in labels() {
        let Some(rule) = label.rule else {
            continue;
        };
        let rows = walk(std::slice::from_ref(&label), Some(rule.id));
        for row in rows {
            assert!(!row.ok, "{} passes without {}", row.driver, rule.id);
            assert!(!row.reported.iter().any(|id| id == rule.id));
        }
    }
}

#[test]
fn a_driver_that_is_not_there_fails_its_row() {
    let mut label = labels().remove(0);
    label.name = "no-such-animal".to_owned();
    let rows = walk(&[label], None);
    assert!(
        rows.iter().all(|row| !row.ok && row.failure.is_some()),
        "{rows:#?}"
    );
}
