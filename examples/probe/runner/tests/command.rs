//! The command on the probe that `./x build-probe` built: it passes as things are, and fails as soon as they are not.
#![cfg(target_os = "linux")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

fn probe() -> PathBuf {
    let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/driver/probe/probe.sys");
    assert!(
        driver.is_file(),
        "there is no {}: run ./x build-probe",
        driver.display()
    );
    driver
}

/// Runs the command; its report and how it ended.
fn run(arguments: &[&str]) -> (Value, Output) {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let json = directory.join(format!("ddi-{}-{}.json", std::process::id(), arguments.len()));
    let output = Command::new(env!("CARGO_BIN_EXE_ddi-codes"))
        .arg("--driver")
        .arg(probe())
        .arg("--json")
        .arg(&json)
        .args(arguments)
        .output()
        .expect("the command runs");
    let report = fs::read(&json).expect("a report");
    let _ = fs::remove_file(&json);
    (serde_json::from_slice(&report).expect("JSON"), output)
}

fn shown(output: &Output) -> String {
    let part = |bytes| String::from_utf8_lossy(bytes).into_owned();
    part(&output.stdout) + &part(&output.stderr)
}

#[test]
fn every_row_is_as_documented_and_every_mutation_is_caught() {
    let (report, output) = run(&[]);
    assert!(output.status.success(), "{}", shown(&output));
    let rows = report["rows"].as_array().expect("rows");
    for row in rows {
        if row["unreachable_because"].is_null() {
            assert_eq!(row["expected"], row["observed"], "{row}");
        } else {
            assert!(row["observed"].is_null(), "{row}");
        }
    }
    let codes: BTreeSet<_> = rows
        .iter()
        .filter(|row| row["unreachable_because"].is_null())
        .map(|row| (row["function"].as_str(), row["status"].as_str()))
        .collect();
    for (function, count) in [
        ("StorPortInitializeWorker", 4),
        ("StorPortQueueWorkItem", 5),
        ("StorPortFreeWorker", 5),
        // UNSUCCESSFUL is from before Windows 8.
        ("StorPortInitializeTimer", 4),
        ("StorPortRequestTimer", 4),
        ("StorPortFreeTimer", 5),
        ("StorPortIssueDpc", 2),
    ] {
        let seen = codes.iter().filter(|(name, _)| *name == Some(function)).count();
        assert_eq!(seen, count, "{function}");
    }
    let total = report["mutations_total"].as_u64().expect("a number");
    assert!(total >= codes.len() as u64);
    assert_eq!(report["mutations_caught"].as_u64(), Some(total));
}

#[test]
fn a_wrong_answer_fails_its_row_and_the_command() {
    let wrong = "StorPortQueueWorkItem:STOR_STATUS_BUSY=STOR_STATUS_INVALID_DEVICE_STATE";
    let (report, output) = run(&["--wrong", wrong]);
    assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
    let failed: Vec<_> = report["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .filter(|row| row["ok"] == false)
        .map(|row| (row["function"].as_str(), row["status"].as_str()))
        .collect();
    // What the wrong answer leaves behind (a work item that runs late, a worker that is not freed) may show in later rows of the
    // same function; nothing else is touched.
    let (function, busy) = (Some("StorPortQueueWorkItem"), Some("STOR_STATUS_BUSY"));
    assert!(failed.contains(&(function, busy)), "{failed:?}");
    assert!(failed.iter().all(|(name, _)| *name == function), "{failed:?}");
}

#[test]
fn a_missing_probe_is_named() {
    let output = Command::new(env!("CARGO_BIN_EXE_ddi-codes"))
        .args(["--driver", "/nonexistent/probe.sys"])
        .output()
        .expect("the command runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(shown(&output).contains("./x ddi"), "{}", shown(&output));
}
