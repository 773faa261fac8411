//! signify, a Python library, as a second reader of catalogs.
//!
//! It is run by `judge/catalog.py` in a virtual environment of its own, made from `judge/requirements.txt`,
//! which pins every package by version and hash.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::Deserialize;

use super::{Check, Files, Subject, VerifyError, tampered_catalog, tampered_image};
use crate::{authenticode, hex};

const JUDGE: &str = "signify";
const SCRIPT: &str = include_str!("../../judge/catalog.py");
const REQUIREMENTS: &str = include_str!("../../judge/requirements.txt");
/// Written last: which requirements the environment has.
const STAMP: &str = "drvpkg-requirements.sha256";

/// Why the environment could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// Python is missing.
    #[error("python3 is not installed; run `./x setup` or `apt-get install python3 python3-venv`")]
    NoPython,
    /// The directory holds something else, which making an environment would delete.
    #[error("{0} is not a Python environment; give another --judge-venv or --venv")]
    Occupied(PathBuf),
    /// The environment cannot be made.
    #[error(
        "cannot make the Python environment {path} ({reason}); run `apt-get install python3-venv`, check the network, remove it and try again"
    )]
    Failed {
        /// The environment.
        path: PathBuf,
        /// What was said.
        reason: String,
    },
}

/// Makes the environment unless it is up to date, and returns its Python.
///
/// # Errors
/// [`PrepareError`] with the remedy.
pub fn prepare(venv: &Path) -> Result<PathBuf, PrepareError> {
    let python = venv.join("bin").join("python");
    let stamp = venv.join(STAMP);
    let expected = hex::sha256(REQUIREMENTS.as_bytes());
    if fs::read_to_string(&stamp).is_ok_and(|found| found == expected) && python.exists() {
        return Ok(python);
    }
    let failed = |reason: String| PrepareError::Failed {
        path: venv.to_owned(),
        reason,
    };
    let io_failed = |error: io::Error| failed(error.to_string());
    let empty = fs::read_dir(venv).map_or(true, |mut entries| entries.next().is_none());
    if !empty && !venv.join("pyvenv.cfg").is_file() {
        return Err(PrepareError::Occupied(venv.to_owned()));
    }
    eprintln!("drvpkg: making the Python environment {}", venv.display());
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(venv)).map_err(|error| match error {
        RunError::NotFound => PrepareError::NoPython,
        RunError::Said(reason) => failed(reason),
    })?;
    let list = venv.join("requirements.txt");
    fs::write(&list, REQUIREMENTS).map_err(io_failed)?;
    let mut install = Command::new(&python);
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "-r",
    ]);
    run(install.arg(&list)).map_err(|error| match error {
        RunError::NotFound => failed("it has no Python".to_owned()),
        RunError::Said(reason) => failed(reason),
    })?;
    fs::write(&stamp, expected).map_err(io_failed)?;
    Ok(python)
}

enum RunError {
    NotFound,
    Said(String),
}

/// Runs a command; its last line of complaint on failure.
fn run(command: &mut Command) -> Result<(), RunError> {
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(RunError::NotFound),
        Err(error) => return Err(RunError::Said(error.to_string())),
    };
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    Err(RunError::Said(
        said.lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .unwrap_or("no reason")
            .to_owned(),
    ))
}

/// What the script prints.
#[derive(Debug, Deserialize)]
struct Reading {
    version: String,
    catalog: Judgement,
    members: Vec<MemberReading>,
    inf_sha256: String,
    image_sha256: Option<String>,
    image: Judgement,
}

#[derive(Debug, Deserialize)]
struct Judgement {
    ok: bool,
    detail: String,
}

#[derive(Debug, Deserialize)]
struct MemberReading {
    kind: Option<String>,
    digest: Option<String>,
    attributes: Vec<(String, String)>,
}

pub(super) fn checks(files: &Files, venv: &Path) -> Result<Vec<Check>, VerifyError> {
    let python = match prepare(venv) {
        Ok(python) => python,
        Err(error) => {
            let remedy = error.to_string();
            return Ok([Subject::Signature, Subject::Catalog]
                .map(|subject| Check::missing(JUDGE, subject, &remedy))
                .to_vec());
        }
    };
    let directory = tempfile::tempdir().map_err(VerifyError::Temporary)?;
    let bench = Bench {
        directory: directory.path(),
        python: fs::canonicalize(venv).map_or(python, |venv| venv.join("bin/python")),
    };
    for (name, bytes) in [
        ("judge.py", SCRIPT.as_bytes()),
        ("signer.cer", &files.certificate),
        ("good.sys", &files.sys),
        ("good.inf", &files.inf),
        ("good.cat", &files.catalog),
        ("bad.sys", &tampered_image(&files.sys)),
        ("bad.cat", &tampered_catalog(&files.catalog)),
    ] {
        fs::write(bench.directory.join(name), bytes).map_err(VerifyError::Temporary)?;
    }
    let readings = bench
        .read("good.cat", "good.sys")
        .and_then(|good| Ok((good, bench.read("bad.cat", "bad.sys")?)));
    let (good, bad) = match readings {
        Ok(readings) => readings,
        Err(reason) => {
            return Ok([Subject::Signature, Subject::Catalog]
                .map(|subject| Check::new(JUDGE, subject, "reading", Err(reason.clone())))
                .to_vec());
        }
    };
    let check = |subject, name, found| Check::new(JUDGE, subject, name, found);
    Ok(vec![
        check(
            Subject::Signature,
            "embedded signature",
            accepted(&good.image, &good.version),
        ),
        check(
            Subject::Signature,
            "tampered driver, embedded",
            rejected(&bad.image),
        ),
        check(
            Subject::Catalog,
            "catalog signature",
            accepted(&good.catalog, &good.version),
        ),
        check(Subject::Catalog, "tampered catalog", rejected(&bad.catalog)),
        check(Subject::Catalog, "INF by catalog", inf_member(&good, files)),
        check(Subject::Catalog, "driver by catalog", driver_member(&good, files)),
    ])
}

fn accepted(judgement: &Judgement, version: &str) -> Result<String, String> {
    if judgement.ok {
        Ok(format!("accepted by signify {version}"))
    } else {
        Err(judgement.detail.clone())
    }
}

fn rejected(judgement: &Judgement) -> Result<String, String> {
    if judgement.ok {
        Err("a tampered file was accepted".to_owned())
    } else {
        Ok(format!("rejected: {}", judgement.detail))
    }
}

fn inf_member(reading: &Reading, files: &Files) -> Result<String, String> {
    let ours = hex::sha256(&files.inf);
    if reading.inf_sha256 != ours {
        return Err(format!(
            "the INF's hash is {} there, {ours} here",
            reading.inf_sha256
        ));
    }
    member(reading, &files.names.inf, "microsoft_spc_cab_data", &ours)
}

fn driver_member(reading: &Reading, files: &Files) -> Result<String, String> {
    let ours = authenticode::image_sha256(&files.sys).map_err(|error| error.to_string())?;
    let ours = hex::encode(&ours);
    match &reading.image_sha256 {
        Some(theirs) if *theirs == ours => {}
        Some(theirs) => return Err(format!("the driver's hash is {theirs} there, {ours} here")),
        None => return Err("it cannot hash the driver".to_owned()),
    }
    member(reading, &files.names.sys, "microsoft_spc_pe_image_data", &ours)
}

fn member(reading: &Reading, name: &str, kind: &str, digest: &str) -> Result<String, String> {
    let named = |member: &&MemberReading| {
        member
            .attributes
            .iter()
            .any(|(key, value)| key == "File" && value == name)
            && member.digest.is_some()
    };
    let member = reading
        .members
        .iter()
        .find(named)
        .ok_or_else(|| format!("no entry for {name}"))?;
    if member.kind.as_deref() != Some(kind) {
        return Err(format!("the entry for {name} is of the kind {:?}", member.kind));
    }
    if member.digest.as_deref() != Some(digest) {
        return Err(format!("the entry for {name} has another hash than the file"));
    }
    Ok(format!("{name} is in it, sha256 {digest}"))
}

/// A directory with the files to be judged.
struct Bench<'path> {
    directory: &'path Path,
    python: PathBuf,
}

impl Bench<'_> {
    fn read(&self, catalog: &str, sys: &str) -> Result<Reading, String> {
        let output = Command::new(&self.python)
            .current_dir(self.directory)
            .stdin(Stdio::null())
            .args([
                "judge.py",
                "--catalog",
                catalog,
                "--sys",
                sys,
                "--inf",
                "good.inf",
            ])
            .args(["--certificate", "signer.cer"])
            .output()
            .map_err(|error| error.to_string())?;
        serde_json::from_slice(&output.stdout).map_err(|_| {
            let said = String::from_utf8_lossy(&output.stderr);
            format!(
                "the judge stopped: {}",
                said.lines().last().unwrap_or("no reason given")
            )
        })
    }
}
