//! Both flavours run, and the lab tells them apart by the image.

use std::path::Path;

use ferronvme_tests::{command::Portlab, package, repository};
use serde_json::Value;

/// Runs a driver with a bus reset in the middle, and returns the report.
fn run(driver: &Path) -> Value {
    let directory = tempfile::tempdir().expect("directory");
    let json = directory.path().join("run.json");
    let output = Portlab::new(&[
        "run",
        &driver.display().to_string(),
        "--inf",
        &package().inf.display().to_string(),
        "--device",
        "qemu:nvme,size=16M",
        "--traffic",
        "4M",
        "--reset",
        "--json",
        &json.display().to_string(),
    ])
    .run();
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&std::fs::read(&json).expect("report")).expect("JSON")
}

/// Whether the driver printed that it has started.
fn printed(report: &Value) -> bool {
    let log = report["debug_log"].as_array().expect("the debug log");
    log.iter()
        .filter_map(Value::as_str)
        .any(|line| line.contains("ferronvme: started"))
}

#[test]
fn the_development_flavour_runs_and_prints() {
    let driver = repository().join("target/driver/dev/ferronvme.sys");
    assert!(driver.is_file(), "{}: make it with `./x build`", driver.display());
    let report = run(&driver);
    assert_eq!(report["flavour"], "dev");
    assert_eq!(report["violations"], 0);
    assert!(printed(&report), "{}", report["debug_log"]);
}

#[test]
fn the_packaged_driver_is_the_release_flavour_and_prints_nothing() {
    let report = run(&package().driver);
    assert_eq!(report["flavour"], "release");
    assert_eq!(report["violations"], 0);
    assert!(!printed(&report), "{}", report["debug_log"]);
}
