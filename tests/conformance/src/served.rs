//! A driver's disks, served by `portlab serve`.

use std::{
    fs,
    io::{self, BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde::Deserialize;
use tempfile::TempDir;

use crate::child;

/// Time for the driver to start.
const START: Duration = Duration::from_mins(1);
/// Time for the service to end in order.
const END: Duration = Duration::from_mins(2);

/// Which driver, on which device, and the lab that runs it.
#[derive(Debug, Clone)]
pub(crate) struct Bench {
    pub(crate) portlab: PathBuf,
    pub(crate) driver: PathBuf,
    pub(crate) device: String,
}

/// What can go wrong around a service.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServedError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("portlab serve {front_end}: {words}")]
    Lab { front_end: &'static str, words: String },
    #[error("a report of portlab's cannot be read: {0}")]
    Report(#[from] serde_json::Error),
}

/// Its first line: where it listens.
#[derive(Debug, Deserialize)]
struct Announcement {
    address: String,
    names: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct ServeReport {
    violations: usize,
    failure: Option<String>,
}

/// A service that clients can come to.
pub(crate) struct Served {
    child: Child,
    front_end: &'static str,
    folder: TempDir,
    announcement: Announcement,
}

impl Served {
    /// Starts it.
    pub(crate) fn start(bench: &Bench, front_end: &'static str) -> Result<Self, ServedError> {
        let folder = tempfile::tempdir()?;
        let words = fs::File::create(folder.path().join("words"))?;
        let mut child = child::command(&bench.portlab)
            .args(["serve", front_end])
            .arg(&bench.driver)
            .args(["--device", &bench.device, "--json"])
            .arg(folder.path().join("report.json"))
            .stdout(Stdio::piped())
            .stderr(words)
            .spawn()?;
        let (sender, receiver) = mpsc::channel();
        if let Some(output) = child.stdout.take() {
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if let Ok(announcement) = serde_json::from_str(&line) {
                        let _ = sender.send(announcement);
                    }
                }
            });
        }
        if let Ok(announcement) = receiver.recv_timeout(START) {
            return Ok(Self {
                child,
                front_end,
                folder,
                announcement,
            });
        }
        let _ = child.kill();
        let _ = child.wait();
        let words = fs::read_to_string(folder.path().join("words"))?;
        Err(ServedError::Lab {
            front_end,
            words: child::last_line(&words).to_owned(),
        })
    }

    /// The first unit, as libiscsi names it.
    pub(crate) fn iscsi_url(&self) -> String {
        let Announcement { address, names } = &self.announcement;
        let name = names.first().map_or("", String::as_str);
        format!("iscsi://{address}/{name}/0")
    }

    /// The first unit, as libnbd names it.
    pub(crate) fn nbd_uri(&self) -> &str {
        self.announcement.names.first().map_or("", String::as_str)
    }

    /// Ends it; the number of rules that the driver broke.
    pub(crate) fn end(mut self) -> Result<usize, ServedError> {
        // setpriv became portlab: it is that process that gets the signal.
        if let Some(id) = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(0)) {
            rustix::process::kill_process(id, rustix::process::Signal::TERM).map_err(io::Error::from)?;
        }
        let ended = child::wait(&mut self.child, END)?;
        let lab = |words: String| ServedError::Lab {
            front_end: self.front_end,
            words,
        };
        if ended.is_none() {
            return Err(lab("it did not end when told to".to_owned()));
        }
        let text = fs::read_to_string(self.folder.path().join("report.json")).map_err(|_| {
            let words = fs::read_to_string(self.folder.path().join("words")).unwrap_or_default();
            lab(child::last_line(&words).to_owned())
        })?;
        let report: ServeReport = serde_json::from_str(&text)?;
        match report.failure {
            Some(words) if report.violations == 0 => Err(lab(words)),
            _ => Ok(report.violations),
        }
    }

    /// A folder that lives as long as the service.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
