//! Making a package: what is in it, and what is left when it cannot be made.

use std::{fs, path::PathBuf};

use drvpkg::{
    catalog::Catalog,
    civil::DriverVersion,
    hex,
    manifest::{Flavour, Manifest, ManifestError, Role},
    package::{self, PackageError, Request},
};
use tempfile::TempDir;

use crate::synthetic::Image;

const SCRIPTS: [&str; 2] = [
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/windows"),
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/windbg"),
];
const INX: &[u8] = include_bytes!("../../../../inf/ferronvme.inx");

/// A directory with the inputs of a package.
pub(crate) struct Workshop {
    pub(crate) directory: TempDir,
    pub(crate) sys: PathBuf,
    pub(crate) pdb: PathBuf,
    pub(crate) inx: PathBuf,
    pub(crate) out: PathBuf,
}

impl Workshop {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let workshop = Self {
            sys: path("driver.dll"),
            pdb: path("driver.pdb"),
            inx: path("ferronvme.inx"),
            out: path("package"),
            directory,
        };
        fs::write(&workshop.sys, Image::default().build()).unwrap();
        fs::write(&workshop.pdb, b"symbols").unwrap();
        fs::write(&workshop.inx, INX).unwrap();
        workshop
    }

    pub(crate) fn make(&self) -> Result<Manifest, PackageError> {
        package::make(&Request {
            sys: &self.sys,
            pdb: Some(&self.pdb),
            inx: &self.inx,
            out: &self.out,
            certificates: &self.directory.path().join("signing"),
            version: None,
            date: Some("11/23/2026".parse().unwrap()),
            scripts: &SCRIPTS.map(PathBuf::from),
        })
    }

    /// Names in the workshop, hidden ones too.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn a_package_holds_what_a_person_copies_to_windows() {
    let workshop = Workshop::new();
    let manifest = workshop.make().unwrap();
    let mut names: Vec<String> = fs::read_dir(&workshop.out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "Enable-TestSigning.ps1",
            "Install-Driver.ps1",
            "README.txt",
            "Remove-Driver.ps1",
            "Save-Logs.ps1",
            "Trust-Certificate.ps1",
            "ferro.js",
            "ferronvme.cat",
            "ferronvme.cer",
            "ferronvme.inf",
            "ferronvme.pdb",
            "ferronvme.sys",
            "package.json"
        ]
    );
    assert_eq!(Manifest::read(&workshop.out).unwrap(), manifest);
    assert_eq!(
        manifest.version,
        DriverVersion([0, 1, 0, 0]),
        "the driver's own version"
    );
    assert_eq!(manifest.hardware_ids, ["PCI\\VEN_1B36&DEV_0010"]);
    assert_eq!(
        manifest.inputs.sys_sha256,
        hex::sha256(&fs::read(&workshop.sys).unwrap())
    );
    assert_eq!(manifest.inputs.inx_sha256, hex::sha256(INX));
    for file in &manifest.files {
        let bytes = fs::read(workshop.out.join(&file.name)).unwrap();
        assert_eq!(
            (file.bytes, file.sha256.as_str()),
            (bytes.len() as u64, hex::sha256(&bytes).as_str())
        );
    }
    let (catalog, _) = Catalog::verify(&fs::read(workshop.out.join("ferronvme.cat")).unwrap()).unwrap();
    let texts: Vec<(&str, &str)> = catalog
        .attributes
        .iter()
        .map(|text| (text.name.as_str(), text.value.as_str()))
        .collect();
    assert_eq!(texts, [("OS", "_v100_X64"), ("HWID1", "pci\\ven_1b36&dev_0010")]);
    let readme = fs::read_to_string(workshop.out.join("README.txt")).unwrap();
    for words in [
        "NOT BEEN RUN ON WINDOWS",
        "PCI\\VEN_1B36&DEV_0010",
        "certutil -addstore Root ferronvme.cer",
        "bcdedit /set testsigning on",
        "Secure Boot",
        "manage-bde -protectors -disable C:",
        "pnputil /add-driver ferronvme.inf /install",
        "pnputil /delete-driver",
        "-File Install-Driver.ps1",
        "-File Remove-Driver.ps1",
        ".scriptload ferro.js",
        &manifest.certificate_thumbprint,
    ] {
        assert!(readme.contains(words), "the README lacks: {words}");
    }
}

#[test]
fn an_inf_that_windows_would_not_take_is_refused() {
    let workshop = Workshop::new();
    let inx = String::from_utf8(INX.to_vec()).unwrap();
    fs::write(
        &workshop.inx,
        inx.replace("DefaultDestDir = 13", "DefaultDestDir = 12"),
    )
    .unwrap();
    let refusal = workshop.make().unwrap_err().to_string();
    assert!(
        refusal.contains("error not-in-store (InfVerif 1306)"),
        "{refusal}"
    );
    // What is only unwise is not.
    fs::write(&workshop.inx, inx.replace("VEN_1B36&DEV_0010", "CC_010802")).unwrap();
    workshop.make().unwrap();
}

#[test]
fn the_flavour_is_read_from_the_image() {
    let workshop = Workshop::new();
    assert_eq!(workshop.make().unwrap().flavour, Flavour::Release);
    let dev = Image {
        imports: vec![
            ("storport.sys", vec!["StorPortInitialize"]),
            ("ntoskrnl.exe", vec!["DbgPrint"]),
        ],
        ..Image::default()
    };
    fs::write(&workshop.sys, dev.build()).unwrap();
    assert_eq!(workshop.make().unwrap().flavour, Flavour::Dev);
}

#[test]
fn the_same_inputs_give_the_same_signed_driver_and_inf() {
    let workshop = Workshop::new();
    let first = workshop.make().unwrap();
    let second = workshop.make().unwrap();
    for role in [Role::Driver, Role::Inf, Role::Certificate, Role::Symbols] {
        assert_eq!(first.file(role), second.file(role));
    }
    assert_eq!(
        workshop.names(),
        ["driver.dll", "driver.pdb", "ferronvme.inx", "package", "signing"]
    );
}

#[cfg(unix)]
#[test]
fn the_signing_key_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let workshop = Workshop::new();
    workshop.make().unwrap();
    let key = workshop.directory.path().join("signing/test-signing.pem");
    assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_failure_leaves_the_older_package_and_nothing_else() {
    let workshop = Workshop::new();
    let manifest = workshop.make().unwrap();
    let wrong: [(&str, Vec<u8>); 5] = [
        ("no PE image", b"MZ".to_vec()),
        (
            "another subsystem",
            Image {
                subsystem: 3,
                ..Image::default()
            }
            .build(),
        ),
        (
            "another machine",
            Image {
                machine: 0xAA64,
                ..Image::default()
            }
            .build(),
        ),
        (
            "no version",
            Image {
                version: None,
                ..Image::default()
            }
            .build(),
        ),
        ("cut short", Image::default().build()[..0x500].to_vec()),
    ];
    for (name, bytes) in wrong {
        fs::write(&workshop.sys, bytes).unwrap();
        assert!(workshop.make().is_err(), "{name}");
        assert_eq!(Manifest::read(&workshop.out).unwrap(), manifest);
        assert_eq!(
            workshop.names(),
            ["driver.dll", "driver.pdb", "ferronvme.inx", "package", "signing"]
        );
    }
}

#[test]
fn an_inf_that_installs_other_files_is_refused() {
    let workshop = Workshop::new();
    let text = String::from_utf8(INX.to_vec()).unwrap();
    fs::write(
        &workshop.inx,
        text.replace("ferronvme.sys = 1", "ferronvme.sys = 1\nmore.dll = 1"),
    )
    .unwrap();
    assert!(matches!(workshop.make(), Err(PackageError::SourceFiles { .. })));
    fs::write(
        &workshop.inx,
        text.replace("ferronvme.sys = 1", "..\\ferronvme.sys = 1"),
    )
    .unwrap();
    assert!(matches!(workshop.make(), Err(PackageError::SourceFiles { .. })));
    assert!(!workshop.out.exists());
}

#[test]
fn something_that_is_no_package_is_not_replaced() {
    let workshop = Workshop::new();
    fs::create_dir(&workshop.out).unwrap();
    fs::write(workshop.out.join("thesis.txt"), "years of work").unwrap();
    assert!(matches!(workshop.make(), Err(PackageError::NotAPackage(_))));
    assert!(workshop.out.join("thesis.txt").exists());
}

#[test]
fn an_unusable_key_file_is_named_and_kept() {
    let workshop = Workshop::new();
    let signing = workshop.directory.path().join("signing");
    fs::create_dir(&signing).unwrap();
    fs::write(signing.join("test-signing.pem"), "not a key").unwrap();
    let error = workshop.make().unwrap_err().to_string();
    assert!(
        error.contains("test-signing.pem") && error.contains("remove it"),
        "{error}"
    );
    assert_eq!(
        fs::read_to_string(signing.join("test-signing.pem")).unwrap(),
        "not a key"
    );
}

#[test]
fn a_manifest_that_leads_out_of_the_package_is_refused() {
    let workshop = Workshop::new();
    workshop.make().unwrap();
    let path = workshop.out.join("package.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"ferronvme.sys\"", "\"../../driver.dll\"")).unwrap();
    assert!(matches!(
        Manifest::read(&workshop.out),
        Err(ManifestError::Name { .. })
    ));
}
