//! The demo and its report.

use ferronvme_tests::{command::Portlab, package, package_directory};
use rustix::process::Signal;
use serde_json::Value;

#[test]
fn the_demo_moves_data_and_reports() {
    let package = package();
    let directory = tempfile::tempdir().expect("directory");
    let json = directory.path().join("reports/demo.json");
    let output = Portlab::new(&[
        "demo",
        "--package",
        &package.directory.display().to_string(),
        "--size",
        "16M",
        "--data",
        "crates",
        "--json",
        &json.display().to_string(),
    ])
    .run();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("image      read from outside: ok"), "{text}");
    let report: Value = serde_json::from_slice(&std::fs::read(&json).expect("report")).expect("JSON");
    for key in ["image_verified", "signature_ok", "catalog_ok", "ok"] {
        assert_eq!(report[key], Value::Bool(true), "{key}");
    }
    for (key, least) in [("resets", 1), ("work_items_run", 1), ("interrupts", 1)] {
        assert!(
            report[key].as_u64().is_some_and(|number| number >= least),
            "{key}: {}",
            report[key]
        );
    }
    assert_eq!(report["violations"], 0);
    assert_eq!(report["bytes_written"], 16 << 20);
    assert_eq!(report["bytes_written"], report["bytes_verified"]);
    assert_eq!(report["flavour"], "release");
    assert_eq!(report["driver_sha256"].as_str().map(str::len), Some(64));
    assert!(
        report["device"]
            .as_str()
            .is_some_and(|device| device.starts_with("qemu:nvme"))
    );
    assert!(report["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0));
}

#[test]
fn run_takes_the_driver_with_and_without_its_inf() {
    let package = package();
    let driver = package.driver.display().to_string();
    let inf = package.inf.display().to_string();
    let output = Portlab::new(&[
        "run",
        &driver,
        "--inf",
        &inf,
        "--device",
        "qemu:nvme,size=16M",
        "--traffic",
        "4M",
        "--reset",
    ])
    .run();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("bus type 0x11"), "{text}");

    // Alone, a driver gets what Windows assumes: Fibre Channel.
    let directory = tempfile::tempdir().expect("directory");
    let alone = directory.path().join("alone.sys");
    std::fs::copy(&package.driver, &alone).expect("copy");
    let output = Portlab::new(&[
        "run",
        &alone.display().to_string(),
        "--device",
        "qemu:nvme,size=16M",
    ])
    .run();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("bus type 0x06"), "{text}");
}

#[test]
fn a_start_without_memory_fails_and_breaks_no_rule() {
    let driver = package().driver.display().to_string();
    for (plan, callback) in [
        ("GetUncachedExtension:1", "HwStorFindAdapter"),
        ("InitializeWorker:1", "HwStorPassiveInitialize"),
    ] {
        // 1: the check failed. A broken rule would be 3.
        let device = "qemu:nvme,size=16M";
        Portlab::new(&["run", &driver, "--device", device, "--fail-allocation", plan]).fails(1, &[callback]);
    }
}

#[test]
fn an_interrupted_demo_takes_its_emulator_along() {
    let _ = package();
    for (signal, code) in [
        (Signal::INT, Some(130)),
        (Signal::TERM, Some(130)),
        (Signal::KILL, None),
    ] {
        let package = package_directory().display().to_string();
        let directory = tempfile::tempdir().expect("directory");
        let report = directory.path().join("demo.json").display().to_string();
        let status = Portlab::new(&[
            "demo",
            "--package",
            &package,
            "--json",
            &report,
            "--size",
            "256M",
            "--data",
            "crates",
        ])
        .interrupt(signal);
        assert_eq!(status.code(), code, "{signal:?}");
    }
}
