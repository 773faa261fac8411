//! `portlab run --fail-allocation each`, `portlab labspeed`.

use ferronvme_tests::{command::Portlab, package};
use serde_json::Value;

fn report(arguments: &[&str]) -> (Value, String) {
    let directory = tempfile::tempdir().expect("directory");
    let json = directory.path().join("report.json");
    let json = json.display().to_string();
    let output = Portlab::new(&[arguments, &["--json", &json]].concat()).run();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{text}");
    let report = std::fs::read(&json).expect("report");
    (serde_json::from_slice(&report).expect("JSON"), text)
}

#[test]
fn the_driver_takes_each_failing_allocation_well() {
    let driver = package().driver.display().to_string();
    let (report, text) = report(&[
        "run",
        &driver,
        "--device",
        "lab:nvme,size=16M",
        "--engine",
        "deterministic",
        "--traffic",
        "256K",
        "--fail-allocation",
        "each",
    ]);
    assert_eq!(report["failed"], 0, "{text}");
    let rows = report["rows"].as_array().expect("rows");
    assert!(rows.len() >= 5, "{text}");
    let verdict = |of: &str| rows.iter().filter(|row| row["verdict"] == of).count();
    assert!(verdict("start_refused") >= 1, "{text}");
    assert_eq!(
        verdict("start_refused") + verdict("works") + verdict("not_reached"),
        rows.len(),
        "{text}"
    );
}

#[test]
fn the_labs_speed_is_measured_with_all_rules() {
    let driver = package().driver.display().to_string();
    // How fast is for `./x labspeed` to say: here runs what is built for debugging, beside other tests.
    let arguments = ["labspeed", &driver, "--runs", "1", "--milliseconds", "300"];
    let (report, text) = report(&arguments);
    assert!(
        report["reads_per_second"]
            .as_f64()
            .is_some_and(|rate| rate > 100.0),
        "{text}"
    );
    assert!(
        report["startup_ms"].as_f64().is_some_and(|time| time > 0.0),
        "{text}"
    );
    assert_eq!(report["violations"], Value::Array(Vec::new()), "{text}");
    assert_eq!(report["processors"], 1);
}
