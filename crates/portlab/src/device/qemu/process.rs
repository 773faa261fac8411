//! The QEMU process: started with everything it needs as inherited descriptors, ended with the lab.
//!
//! QEMU opens no listening socket and no path of its own: its memory, firmware, images and connections are
//! descriptors, so that nothing is left on disk whatever ends the lab. `setpriv --pdeathsig` has the kernel
//! kill QEMU when the thread that started it ends; that thread therefore stays until QEMU is gone.

use std::{
    ffi::OsStr,
    fmt::Write as _,
    io,
    os::{
        fd::OwnedFd,
        unix::process::{CommandExt as _, ExitStatusExt as _},
    },
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use command_fds::{CommandFdExt as _, FdMapping};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Environment variable that names another QEMU binary.
pub const QEMU_VARIABLE: &str = "PORTLAB_QEMU";

/// Name of the QEMU binary looked up in `PATH`.
const QEMU: &str = "qemu-system-x86_64";

/// How much of QEMU's error output is kept.
const MOST_OUTPUT: usize = 64 << 10;

/// A descriptor that the child inherits, and the number it has there.
#[derive(Debug)]
pub(super) struct Inherited {
    descriptor: OwnedFd,
    number: i32,
}

/// The child's descriptors, numbered in the order they are added.
#[derive(Debug, Default)]
pub(super) struct Inheritance(Vec<Inherited>);

impl Inheritance {
    /// Hands `descriptor` to the child and returns its number there.
    pub(super) fn add(&mut self, descriptor: impl Into<OwnedFd>) -> i32 {
        let number = 3 + i32::try_from(self.0.len()).unwrap_or(i32::MAX - 3);
        self.0.push(Inherited {
            descriptor: descriptor.into(),
            number,
        });
        number
    }

    /// As [`Self::add`], as a path that the child can open.
    pub(super) fn add_path(&mut self, descriptor: impl Into<OwnedFd>) -> String {
        format!("/proc/self/fd/{}", self.add(descriptor))
    }
}

/// Why the process could not be started.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error("{QEMU} is not in PATH: install the package qemu-system-x86")]
    NoQemu,
    #[error("{QEMU_VARIABLE} names `{0}`, which is not a file: unset it or correct it")]
    NoSuchQemu(PathBuf),
    #[error("setpriv is not in PATH: install the package util-linux")]
    NoSetpriv,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// How the process ended.
#[derive(Debug, Default)]
struct Ending {
    reason: Mutex<Option<String>>,
    changed: Condvar,
}

impl Ending {
    fn set(&self, reason: String) {
        self.reason
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(reason);
        self.changed.notify_all();
    }
}

/// A running QEMU.
#[derive(Debug)]
pub(super) struct Process {
    handle: OwnedFd,
    ending: Arc<Ending>,
    supervisor: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts QEMU with `arguments`; `on_exit` runs once when it is gone.
    pub(super) fn start(
        arguments: Vec<String>,
        inheritance: Inheritance,
        on_exit: impl FnOnce() + Send + 'static,
    ) -> Result<Self, StartError> {
        let qemu = find_qemu()?;
        let setpriv = in_path("setpriv").ok_or(StartError::NoSetpriv)?;
        let ending = Arc::new(Ending::default());
        let theirs = Arc::clone(&ending);
        let (report, started) = mpsc::channel();
        let supervisor =
            thread::Builder::new()
                .name("qemu-supervisor".to_owned())
                .spawn(move || match spawn(&setpriv, &qemu, &arguments, inheritance) {
                    Ok((child, handle)) => {
                        let _ = report.send(Ok(handle));
                        supervise(child, &theirs);
                        on_exit();
                    }
                    Err(error) => {
                        let _ = report.send(Err(error));
                    }
                })?;
        let handle = started.recv().map_err(io::Error::other)??;
        Ok(Self {
            handle,
            ending,
            supervisor: Some(supervisor),
        })
    }

    /// Waits for the end and tells how it was; `None` if it is still running afterwards.
    pub(super) fn wait(&self, patience: Duration) -> Option<String> {
        let guard = self.ending.reason.lock().unwrap_or_else(PoisonError::into_inner);
        let (reason, _) = self
            .ending
            .changed
            .wait_timeout_while(guard, patience, |reason| reason.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        reason.clone()
    }

    /// Kills the process at once.
    pub(super) fn kill(&self) {
        // Fails only if the process is gone, which is what is wanted.
        let _ = pidfd_send_signal(&self.handle, Signal::KILL);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if let Some(supervisor) = self.supervisor.take() {
            let _ = supervisor.join();
        }
    }
}

fn spawn(
    setpriv: &Path,
    qemu: &Path,
    arguments: &[String],
    inheritance: Inheritance,
) -> io::Result<(Child, OwnedFd)> {
    let mut command = Command::new(setpriv);
    command
        .args([
            OsStr::new("--pdeathsig"),
            OsStr::new("KILL"),
            OsStr::new("--"),
            qemu.as_os_str(),
        ])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // An interrupt from the terminal is the lab's business; it then ends QEMU in order.
        .process_group(0);
    let mappings = inheritance
        .0
        .into_iter()
        .map(|inherited| FdMapping {
            parent_fd: inherited.descriptor,
            child_fd: inherited.number,
        })
        .collect();
    command.fd_mappings(mappings).map_err(io::Error::other)?;
    let mut child = command.spawn()?;
    match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
        Ok(handle) => Ok((child, handle)),
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(error.into())
        }
    }
}

fn supervise(mut child: Child, ending: &Ending) {
    let output = child.stderr.take().map(last_output).unwrap_or_default();
    let reason = match child.wait() {
        Ok(status) => describe(status, &output),
        Err(error) => format!("QEMU cannot be waited for: {error}"),
    };
    ending.set(reason);
}

/// Reads QEMU's messages until it closes them, which it does when it ends.
fn last_output(mut stream: impl io::Read) -> String {
    let mut kept = Vec::new();
    let mut chunk = [0_u8; 4096];
    while let Ok(count @ 1..) = stream.by_ref().read(&mut chunk) {
        kept.extend_from_slice(&chunk[..count]);
        if kept.len() > MOST_OUTPUT {
            kept.drain(..kept.len() - MOST_OUTPUT);
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

fn describe(status: ExitStatus, output: &str) -> String {
    let mut reason = match (status.code(), status.signal()) {
        (Some(0), _) => "QEMU quit".to_owned(),
        (Some(code), _) => format!("QEMU ended with status {code}"),
        (None, Some(signal)) => format!("QEMU was killed by signal {signal}"),
        (None, None) => "QEMU ended".to_owned(),
    };
    let prefix = format!("{QEMU}: ");
    for line in output.lines().filter(|line| !line.trim().is_empty()) {
        let text = line.strip_prefix(&prefix).unwrap_or(line);
        let _ = write!(reason, "; {}", text.trim());
    }
    reason
}

fn find_qemu() -> Result<PathBuf, StartError> {
    match std::env::var_os(QEMU_VARIABLE) {
        Some(named) => {
            let path = PathBuf::from(named);
            if path.is_file() {
                Ok(path)
            } else {
                Err(StartError::NoSuchQemu(path))
            }
        }
        None => in_path(QEMU).ok_or(StartError::NoQemu),
    }
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
}
