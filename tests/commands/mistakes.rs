//! What a user may do wrong: one clear line with the remedy, a non-zero exit status, no emulator left.

use std::{fs, path::Path};

use ferronvme_tests::{command::Portlab, package, rig::spec};
use portlab::device::qemu::QemuDevice;

/// Nothing could be run.
const ENVIRONMENT: i32 = 2;

fn run(driver: &Path) -> Portlab {
    Portlab::new(&[
        "run",
        &driver.display().to_string(),
        "--device",
        "qemu:nvme,size=8M",
    ])
}

/// Offsets in a PE file's headers, from its `PE` signature: machine, magic, subsystem.
const MACHINE: usize = 4;
const MAGIC: usize = 24;
const SUBSYSTEM: usize = 24 + 68;

/// The packaged driver with other fields in its headers.
fn changed(driver: &[u8], fields: &[(usize, u16)]) -> Vec<u8> {
    let mut image = driver.to_vec();
    let signature = usize::from(u16::from_le_bytes([driver[0x3c], driver[0x3d]]));
    for (offset, value) in fields {
        let at = signature + offset;
        image[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
    image
}

#[test]
fn a_wrong_driver_is_named() {
    let directory = tempfile::tempdir().expect("directory");
    let file = directory.path().join("wrong.sys");
    let driver = fs::read(package().driver).expect("the packaged driver");
    let cases: [(&str, Vec<u8>, &str); 6] = [
        (
            "text",
            b"This is no driver.
"
            .repeat(100),
            "not a PE file",
        ),
        ("empty", Vec::new(), "not a PE file"),
        (
            "32 bits",
            changed(&driver, &[(MACHINE, 0x14c), (MAGIC, 0x10b)]),
            "32-bit",
        ),
        ("arm64", changed(&driver, &[(MACHINE, 0xaa64)]), "x64"),
        ("a program", changed(&driver, &[(SUBSYSTEM, 3)]), "native"),
        ("cut off", driver[..driver.len() / 3].to_vec(), "copy it again"),
    ];
    for (what, image, text) in cases {
        fs::write(&file, image).expect("file");
        eprintln!("{what}");
        run(&file).fails(ENVIRONMENT, &[text]);
    }
    run(&directory.path().join("none.sys")).fails(ENVIRONMENT, &["none.sys"]);
}

#[test]
fn a_missing_emulator_names_the_package() {
    let driver = package().driver;
    run(&driver)
        .env("PATH", "/nonexistent")
        .fails(ENVIRONMENT, &["qemu-system-x86"]);
    run(&driver)
        .env("PORTLAB_QEMU", "/nonexistent/qemu")
        .fails(ENVIRONMENT, &["PORTLAB_QEMU", "/nonexistent/qemu"]);
}

#[test]
fn an_image_that_cannot_be_used_is_named() {
    let driver = package().driver.display().to_string();
    let directory = tempfile::tempdir().expect("directory");
    let image = directory.path().join("disk.img");
    let device = format!("image={}", image.display());
    let run = |options: &str| Portlab::new(&["run", &driver, "--device", &format!("qemu:nvme,{options}")]);

    let other = QemuDevice::open(&spec(&device)).expect("another QEMU");
    run(&device).fails(ENVIRONMENT, &["disk.img", "in use", "image=PATH"]);
    drop(other);

    fs::write(&image, vec![0; 1 << 19]).expect("image");
    run(&device).fails(ENVIRONMENT, &["disk.img", "too small", "truncate"]);
    run(&format!("image={}", directory.path().display())).fails(ENVIRONMENT, &["directory", "image=PATH"]);
}

#[test]
fn a_demo_without_a_package_names_the_command() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().display().to_string();
    Portlab::new(&["demo", "--package", &path]).fails(ENVIRONMENT, &["./x package"]);
    Portlab::new(&["demo", "--package", &format!("{path}/none")]).fails(ENVIRONMENT, &["./x package"]);
}

#[test]
fn a_demo_with_wrong_data_or_size_is_refused() {
    let package = package().directory.display().to_string();
    let directory = tempfile::tempdir().expect("directory");
    let report = directory.path().join("demo.json").display().to_string();
    let demo = |arguments: &[&str]| {
        Portlab::new(&[&["demo", "--package", &package, "--json", &report], arguments].concat())
    };
    demo(&["--size", "1000"]).fails(ENVIRONMENT, &["multiple of 4K"]);
    demo(&["--size", "8M", "--data", "/nonexistent"]).fails(ENVIRONMENT, &["/nonexistent", "--data"]);
    demo(&["--size", "16M", "--device", "qemu:nvme,size=8M"]).fails(ENVIRONMENT, &["size="]);
}

#[test]
fn a_wrong_argument_is_explained() {
    for (arguments, text) in [
        (&["run", "x.sys", "--device", "vmware:nvme"][..], "qemu:nvme"),
        (
            &["run", "x.sys", "--device", "qemu:nvme,colour=red"],
            "it has size",
        ),
        (&["run", "x.sys", "--processors", "0"], "1..=64"),
        (&["demo", "--size", "lots"], "64M"),
        (&["run", "x.sys", "--fail-allocation", "0"], "AllocatePool:1+"),
        (&["fly"], "unrecognized subcommand"),
    ] {
        let output = Portlab::new(arguments).run();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn a_wrong_inf_is_explained() {
    let driver = package().driver.display().to_string();
    let directory = tempfile::tempdir().expect("directory");
    let inf = directory.path().join("wrong.inf");
    let run = || Portlab::new(&["run", &driver, "--inf", &inf.display().to_string()]);
    run().fails(ENVIRONMENT, &["wrong.inf"]);
    fs::write(&inf, "[Version]\n").expect("inf");
    run().fails(ENVIRONMENT, &["wrong.inf", "[Manufacturer]"]);
}
