//! The command: exit codes, messages, and that verification finds out a judge that accepts everything.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

use crate::{package::Workshop, synthetic::Image};

fn drvpkg() -> Command {
    Command::new(env!("CARGO_BIN_EXE_drvpkg"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Verifies with the tools in `path` only.
fn verify(workshop: &Workshop, path: &Path) -> (Output, Value) {
    let output = drvpkg()
        .arg("verify")
        .arg(&workshop.out)
        .arg("--json")
        .env("PATH", path)
        .output()
        .unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap();
    (output, report)
}

/// The checks that did not hold, as `judge: name`.
fn failed(report: &Value) -> Vec<String> {
    let checks = report["checks"].as_array().unwrap();
    let failed = checks.iter().filter(|check| check["standing"] == "failed");
    failed
        .map(|check| {
            format!(
                "{}: {}",
                check["judge"].as_str().unwrap(),
                check["name"].as_str().unwrap()
            )
        })
        .collect()
}

#[test]
fn packaging_prints_the_manifest() {
    let workshop = Workshop::new();
    let output = drvpkg()
        .current_dir(workshop.directory.path())
        .args([
            "package",
            "--sys",
            "driver.dll",
            "--pdb",
            "driver.pdb",
            "--inx",
            "ferronvme.inx",
        ])
        .args(["--out", "package", "--certificate-dir", "signing", "--json"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let manifest: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(manifest["version"], "0.1.0.0");
    assert_eq!(manifest["flavour"], "release");
}

#[test]
fn mistakes_get_one_line_and_exit_code_2() {
    let workshop = Workshop::new();
    let inx = workshop.inx.to_str().unwrap();
    let out = workshop.out.to_str().unwrap();
    for (arguments, words) in [
        (
            vec!["package", "--sys", "/nowhere", "--inx", inx, "--out", out],
            "/nowhere",
        ),
        (
            vec!["package", "--sys", inx, "--inx", inx, "--out", out],
            "not a PE image",
        ),
        (vec!["verify", "/nowhere"], "no package"),
        (vec!["inspect", inx], "not a PE image"),
        (vec!["catalog", "show", inx], "give a version-2 .cat file"),
        (
            vec!["inf", "stamp", "/nowhere", "--out", out, "--version", "1"],
            "/nowhere",
        ),
    ] {
        let output = drvpkg().args(&arguments).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}

#[test]
fn missing_judges_are_named_with_the_remedy_and_exit_code_3() {
    let workshop = Workshop::new();
    workshop.make().unwrap();
    let (output, report) = verify(&workshop, Path::new("/nonexistent"));
    assert_eq!(output.status.code(), Some(3));
    let said = text(&output.stderr);
    assert!(
        said.contains("apt-get install osslsigncode") && said.contains("apt-get install python3"),
        "{said}"
    );
    assert_eq!(
        (&report["ok"], &report["signature_ok"]),
        (&Value::Bool(false), &Value::Bool(false))
    );
    assert_eq!(failed(&report), Vec::<String>::new(), "what can be judged holds");
}

#[test]
fn a_directory_that_is_no_python_environment_is_not_cleared() {
    let workshop = Workshop::new();
    let output = drvpkg()
        .args(["judge", "--venv"])
        .arg(workshop.directory.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("is not a Python environment"));
    assert!(workshop.sys.exists());
}

#[cfg(unix)]
#[test]
fn a_judge_that_accepts_everything_is_found_out() {
    use std::os::unix::fs::PermissionsExt;
    let workshop = Workshop::new();
    workshop.make().unwrap();
    let tools = workshop.directory.path().join("tools");
    fs::create_dir(&tools).unwrap();
    let judge = tools.join("osslsigncode");
    fs::write(&judge, "#!/bin/sh\nexit 0\n").unwrap();
    fs::set_permissions(&judge, fs::Permissions::from_mode(0o755)).unwrap();
    let (output, report) = verify(&workshop, &tools);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        failed(&report),
        [
            "osslsigncode: tampered driver, embedded",
            "osslsigncode: tampered driver, by catalog",
            "osslsigncode: tampered catalog"
        ]
    );
}

#[test]
fn a_changed_package_is_refused() {
    for (name, at, expected) in [
        (
            "ferronvme.sys",
            0x210,
            [
                "drvpkg: files",
                "drvpkg: checksum",
                "drvpkg: embedded signature",
                "drvpkg: catalog",
            ]
            .as_slice(),
        ),
        (
            "ferronvme.inf",
            40,
            ["drvpkg: files", "drvpkg: catalog"].as_slice(),
        ),
        ("ferronvme.pdb", 0, ["drvpkg: files"].as_slice()),
    ] {
        let workshop = Workshop::new();
        workshop.make().unwrap();
        let path = workshop.out.join(name);
        let mut bytes = fs::read(&path).unwrap();
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
        let (output, report) = verify(&workshop, Path::new("/nonexistent"));
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(failed(&report), expected, "{name}");
    }
}

#[test]
fn a_catalog_signed_by_someone_else_is_refused() {
    let (ours, theirs) = (Workshop::new(), Workshop::new());
    ours.make().unwrap();
    theirs.make().unwrap();
    fs::copy(theirs.out.join("ferronvme.cat"), ours.out.join("ferronvme.cat")).unwrap();
    let (output, report) = verify(&ours, Path::new("/nonexistent"));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(failed(&report), ["drvpkg: files", "drvpkg: catalog"]);
}

#[test]
fn gates_decide_the_exit_code_of_inspect() {
    let workshop = Workshop::new();
    workshop.make().unwrap();
    let packaged = workshop.out.join("ferronvme.sys");
    let inspect = |allow: &str| {
        let output = drvpkg()
            .arg("inspect")
            .arg(&packaged)
            .args(["--allow", allow, "--json"])
            .output()
            .unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), report["ok"].as_bool())
    };
    assert_eq!(inspect("storport.sys,ntoskrnl.exe"), (Some(0), Some(true)));
    assert_eq!(inspect("ntoskrnl.exe"), (Some(1), Some(false)));
    fs::write(
        &workshop.sys,
        Image {
            imports: Vec::new(),
            ..Image::default()
        }
        .build(),
    )
    .unwrap();
    let unsigned = drvpkg().arg("imports").arg(&workshop.sys).output().unwrap();
    assert_eq!(
        unsigned.status.code(),
        Some(1),
        "the checksum is not set before signing"
    );
}

#[test]
fn catalog_show_tells_members_and_signature() {
    let workshop = Workshop::new();
    workshop.make().unwrap();
    let catalog = workshop.out.join("ferronvme.cat");
    let show = || {
        drvpkg()
            .args(["catalog", "show", "--json"])
            .arg(&catalog)
            .output()
            .unwrap()
    };
    let shown: Value = serde_json::from_slice(&show().stdout).unwrap();
    assert_eq!(shown["signature_ok"], true);
    assert_eq!(shown["members"].as_array().unwrap().len(), 4);

    let mut bytes = fs::read(&catalog).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&catalog, bytes).unwrap();
    let output = show();
    assert_eq!(output.status.code(), Some(1));
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown["signature_ok"], false);
}

#[test]
fn stamping_names_the_catalog_after_the_inf() {
    let workshop = Workshop::new();
    let out = workshop.directory.path().join("other.inf");
    let output = drvpkg()
        .args([
            "inf",
            "stamp",
            "--version",
            "1.2",
            "--date",
            "2026-11-23",
            "--out",
        ])
        .args([&out, &workshop.inx])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let inf = drvpkg::inf::Inf::read(&fs::read(out).unwrap()).unwrap();
    assert_eq!(inf.value("Version", "CatalogFile").unwrap(), "other.cat");
    assert_eq!(
        inf.lookup("Version", "DriverVer").unwrap().entry.values[1].text,
        "1.2.0.0"
    );
}
