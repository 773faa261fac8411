//! The deterministic engine from outside: a seed is a life, and torture finds nothing in ours.

use std::path::Path;

use ferronvme_tests::{command::Portlab, package};
use serde_json::Value;

fn report(arguments: &[&str], json: &Path) -> Value {
    let json_text = json.display().to_string();
    let mut all = arguments.to_vec();
    all.extend(["--json", &json_text]);
    let output = Portlab::new(&all).run();
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&std::fs::read(json).expect("report")).expect("JSON")
}

#[test]
fn a_seed_gives_the_same_events_in_every_process_and_another_seed_others() {
    let directory = tempfile::tempdir().expect("directory");
    let driver = package().driver.display().to_string();
    let events = |seed: &str| {
        let arguments = [
            "run",
            &driver,
            "--device",
            "lab:nvme,size=16M,ram=128M,faults=lose-completion+opcode=io:1+nth=3",
            "--engine",
            "deterministic",
            "--reset",
            "--traffic",
            "2M",
            "--seed",
            seed,
        ];
        let report = report(&arguments, &directory.path().join("run.json"));
        assert!(report["traffic"]["bytes_verified"].as_u64() > Some(0));
        report["events"].clone()
    };
    let first = events("1");
    assert!(first["count"].as_u64() > Some(1000), "{first}");
    assert_eq!(first, events("1"));
    assert_ne!(first, events("2"));
}

#[test]
fn torture_finds_nothing_and_replays() {
    let directory = tempfile::tempdir().expect("directory");
    let driver = package().driver.display().to_string();
    let arguments = ["torture", &driver, "--seeds", "0..45", "--replay-one-in", "3"];
    let report = report(&arguments, &directory.path().join("torture.json"));
    assert_eq!(report["lives"], 45);
    assert_eq!(report["failures"], 0, "{}", report["failed"]);
    assert_eq!(report["replayed"], 15);
    assert_eq!(report["replay_identical"], true);
    assert!(report["resets"].as_u64() > Some(0));
    let faults = report["faults_injected"].as_object().expect("faults");
    assert!(faults.len() > 2, "{faults:?}");
}

/// Its first failing seed is 3; each failure comes with the command that shows the same failure again.
#[test]
fn torture_finds_a_driver_that_is_broken_on_purpose_and_its_replay_shows_the_same() {
    let directory = tempfile::tempdir().expect("directory");
    let json = directory.path().join("broken.json").display().to_string();
    let broken = "target/driver/broken/buffer-freed-under-dma/ferronvme-broken.sys";
    let inf = package().inf.display().to_string();
    let run = |seeds: &str| -> Value {
        let arguments = [
            "torture", broken, "--inf", &inf, "--seeds", seeds, "--json", &json,
        ];
        let output = Portlab::new(&arguments).run();
        assert_eq!(
            output.status.code(),
            Some(1),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&std::fs::read(&json).expect("report")).expect("JSON")
    };
    let report = run("0..12");
    assert_eq!(report["replay_identical"], true);
    let failed = report["failed"].as_object().expect("failures");
    let (seed, failure) = failed.iter().next().expect("a failure");
    let seed: u64 = seed.parse().expect("a seed");
    let seeds = format!("{seed}..{}", seed + 1);
    let replay = failure["replay"].as_str().expect("a command");
    for part in [broken, inf.as_str(), &format!("--seeds {seeds}")] {
        assert!(replay.contains(part), "`{part}` is not in: {replay}");
    }
    assert_eq!(run(&seeds)["failed"][seed.to_string()], *failure);
}

/// Our driver's lives, among them replayed ones, and those of a broken one, whose processes end after each failure.
#[test]
fn lives_are_the_same_in_one_process_and_in_two() {
    let directory = tempfile::tempdir().expect("directory");
    let json = directory.path().join("jobs.json").display().to_string();
    let inf = package().inf.display().to_string();
    let run = |driver: &str, jobs: &str| -> Value {
        let arguments = [
            "torture",
            driver,
            "--inf",
            &inf,
            "--seeds",
            "0..24",
            "--replay-one-in",
            "5",
            "--jobs",
            jobs,
            "--json",
            &json,
        ];
        let output = Portlab::new(&arguments).run();
        let mut report: Value = serde_json::from_slice(&std::fs::read(&json).expect("report")).expect("JSON");
        let failed = report["failures"].as_u64().expect("failures") > 0;
        assert_eq!(output.status.code(), Some(i32::from(failed)));
        assert_eq!(report["lives"], 24);
        // The one thing that depends on the machine.
        assert!(report["lives_per_minute"].take().as_f64() > Some(0.0));
        report
    };
    for (driver, fails) in [
        (package().driver.display().to_string(), false),
        (
            "target/driver/broken/buffer-freed-under-dma/ferronvme-broken.sys".to_owned(),
            true,
        ),
    ] {
        let alone = run(&driver, "1");
        assert_eq!(alone["failures"].as_u64() > Some(0), fails, "{}", alone["failed"]);
        assert_eq!(alone, run(&driver, "2"));
    }
}

#[test]
fn a_device_with_a_clock_of_its_own_is_refused() {
    let driver = package().driver.display().to_string();
    let output = Portlab::new(&[
        "run",
        &driver,
        "--device",
        "qemu:nvme,size=8M",
        "--engine",
        "deterministic",
    ])
    .run();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("lab:nvme"), "{text}");
}
