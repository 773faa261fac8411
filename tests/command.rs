//! The `portlab` command line as a user types it, and proof that it leaves no emulator behind.

use std::{
    env, fs,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// Environment variable that marks a command and everything that it starts.
const MARK: &str = "PORTLAB_TEST_MARK";

/// The `portlab` binary, built as these tests were.
fn binary() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            // This test is TARGET/PROFILE/deps/NAME.
            let own = env::current_exe().expect("the test's own path");
            let profile = own.ancestors().nth(2).expect("a target directory");
            let target = profile.parent().expect("a target directory");
            let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            cargo
                .args([
                    "build",
                    "--quiet",
                    "--package",
                    "portlab",
                    "--bin",
                    "portlab",
                    "--target-dir",
                ])
                .arg(target);
            if profile.ends_with("release") {
                cargo.arg("--release");
            }
            let status = cargo.current_dir(crate::repository()).status().expect("cargo");
            assert!(status.success(), "cargo build --package portlab failed");
            profile.join("portlab")
        })
        .clone()
}

/// A run of `portlab` with arguments.
pub struct Portlab {
    command: Command,
    mark: String,
}

impl Portlab {
    /// `portlab ARGUMENTS`, in the repository.
    ///
    /// # Panics
    /// If the binary cannot be built.
    #[must_use]
    pub fn new(arguments: &[&str]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mark = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let mut command = Command::new(binary());
        command
            .args(arguments)
            .env(MARK, &mark)
            .current_dir(crate::repository())
            .stdin(Stdio::null());
        Self { command, mark }
    }

    /// With an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it to its end and insists that nothing of it is left.
    ///
    /// # Panics
    /// If it cannot be run, or leaves a process.
    #[must_use]
    pub fn run(mut self) -> Output {
        let output = self.command.output().expect("portlab runs");
        insist_on_nothing_left(&self.mark);
        output
    }

    /// Runs it and insists that it ends with `status` and one line on standard error that holds every one of
    /// `texts`.
    ///
    /// # Panics
    /// If it does not.
    pub fn fails(self, status: i32, texts: &[&str]) {
        let output = self.run();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{error}");
        let lines: Vec<_> = error
            .lines()
            .filter(|line| line.starts_with("portlab: "))
            .collect();
        let [line] = lines.as_slice() else {
            panic!("not one line of error: {error}")
        };
        for text in texts {
            assert!(line.contains(text), "`{text}` is not in: {line}");
        }
    }

    /// Starts it, waits until its emulator runs, sends it `signal`, and returns how it ended.
    ///
    /// # Panics
    /// If the emulator does not appear within a minute, or a process is left.
    #[must_use]
    pub fn interrupt(mut self, signal: Signal) -> std::process::ExitStatus {
        let mut child = self
            .command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("portlab runs");
        let deadline = Instant::now() + Duration::from_mins(1);
        while !marked(&self.mark)
            .iter()
            .any(|(_, name)| name.starts_with("qemu"))
        {
            if let Ok(Some(status)) = child.try_wait() {
                panic!("portlab ended before its emulator ran: {status}");
            }
            assert!(Instant::now() < deadline, "no emulator appeared");
            thread::sleep(Duration::from_millis(20));
        }
        kill_process(pid(&child), signal).expect("signal");
        let status = child.wait().expect("portlab ends");
        insist_on_nothing_left(&self.mark);
        status
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// Waits until no process bears the mark.
fn insist_on_nothing_left(mark: &str) {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let left = marked(mark);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "left running: {left:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The processes that bear the mark, with their names.
fn marked(mark: &str) -> Vec<(u32, String)> {
    let wanted = format!("{MARK}={mark}");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(id) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        // A process that ends meanwhile, or belongs to somebody else, cannot be read.
        let Ok(environment) = fs::read(entry.path().join("environ")) else {
            continue;
        };
        if environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == wanted.as_bytes())
        {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            found.push((id, name.trim().to_owned()));
        }
    }
    found
}
