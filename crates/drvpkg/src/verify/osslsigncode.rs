//! osslsigncode as a judge: the embedded signature, and the driver by catalog.

use std::{
    fs, io,
    path::Path,
    process::{Command, Stdio},
};

use der::{Decode, EncodePem, pem::LineEnding};
use x509_cert::Certificate;

use super::{Check, Files, Subject, VerifyError, tampered_catalog, tampered_image};

const JUDGE: &str = "osslsigncode";
const REMEDY: &str = "osslsigncode is not installed; run `./x setup` or `apt-get install osslsigncode`";

pub(super) fn checks(files: &Files) -> Result<Vec<Check>, VerifyError> {
    let Some(version) = version() else {
        return Ok([Subject::Signature, Subject::Catalog]
            .map(|subject| Check::missing(JUDGE, subject, REMEDY))
            .to_vec());
    };
    let certificate = match Certificate::from_der(&files.certificate)
        .and_then(|certificate| certificate.to_pem(LineEnding::LF))
    {
        Ok(pem) => pem,
        Err(error) => {
            let found = Err(format!("the certificate is unusable: {error}"));
            return Ok(vec![Check::new(JUDGE, Subject::Signature, "certificate", found)]);
        }
    };
    let directory = tempfile::tempdir().map_err(VerifyError::Temporary)?;
    let bench = Bench {
        directory: directory.path(),
    };
    bench.put("ca.pem", certificate.as_bytes())?;
    bench.put("good.sys", &files.sys)?;
    bench.put("good.cat", &files.catalog)?;
    bench.put("bad.sys", &tampered_image(&files.sys))?;
    bench.put("bad.cat", &tampered_catalog(&files.catalog))?;

    let check = |subject, name, found| Check::new(JUDGE, subject, name, found);
    Ok(vec![
        check(
            Subject::Signature,
            "embedded signature",
            bench
                .accepts("good.sys", None)
                .map(|()| format!("accepted by {version}")),
        ),
        check(
            Subject::Signature,
            "tampered driver, embedded",
            bench.rejects("bad.sys", None),
        ),
        check(
            Subject::Catalog,
            "driver by catalog",
            bench
                .accepts("good.sys", Some("good.cat"))
                .map(|()| format!("accepted by {version}")),
        ),
        check(
            Subject::Catalog,
            "tampered driver, by catalog",
            bench.rejects("bad.sys", Some("good.cat")),
        ),
        check(
            Subject::Catalog,
            "tampered catalog",
            bench.rejects("good.sys", Some("bad.cat")),
        ),
    ])
}

/// The first line of its version, if it can be run.
fn version() -> Option<String> {
    let output = Command::new(JUDGE)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(text.split([',', '\n']).next().unwrap_or(JUDGE).trim().to_owned())
}

/// A directory with the files to be judged.
struct Bench<'path> {
    directory: &'path Path,
}

impl Bench<'_> {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), VerifyError> {
        fs::write(self.directory.join(name), bytes).map_err(VerifyError::Temporary)
    }

    fn accepts(&self, file: &str, catalog: Option<&str>) -> Result<(), String> {
        let (accepted, said) = self.judge(file, catalog).map_err(|error| error.to_string())?;
        if accepted {
            Ok(())
        } else {
            Err(format!("rejected: {said}"))
        }
    }

    fn rejects(&self, file: &str, catalog: Option<&str>) -> Result<String, String> {
        let (accepted, said) = self.judge(file, catalog).map_err(|error| error.to_string())?;
        if accepted {
            Err("a tampered file was accepted".to_owned())
        } else {
            Ok(format!("rejected: {said}"))
        }
    }

    /// Whether it accepts a file, and the line that tells why.
    fn judge(&self, file: &str, catalog: Option<&str>) -> io::Result<(bool, String)> {
        let mut command = Command::new(JUDGE);
        command
            .current_dir(self.directory)
            .stdin(Stdio::null())
            .args(["verify", "-CAfile", "ca.pem"]);
        if let Some(catalog) = catalog {
            command.args(["-catalog", catalog]);
        }
        let output = command.args(["-in", file]).output()?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let telling = said
            .lines()
            .find(|line| {
                ["failed", "mismatch", "error"]
                    .iter()
                    .any(|word| line.to_lowercase().contains(word))
            })
            .unwrap_or("no reason given");
        // Its columns are padded with blanks.
        let telling = telling.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok((output.status.success(), telling))
    }
}
