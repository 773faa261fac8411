//! Other people's programs: with a time-out, and never outliving this one.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Read as _, Seek as _},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Absent if it was killed after its time.
    pub(crate) status: Option<ExitStatus>,
    /// What it printed.
    pub(crate) output: String,
}

impl Finished {
    /// Its output, if it ended with 0; otherwise what is to be said about that.
    pub(crate) fn good(self, program: &str) -> Result<String, String> {
        match self.status {
            Some(status) if status.success() => Ok(self.output),
            Some(status) => Err(format!("{program}: {status}: {}", last_line(&self.output))),
            None => Err(format!(
                "{program}: not done in time: {}",
                last_line(&self.output)
            )),
        }
    }
}

/// The last line that says something.
pub(crate) fn last_line(output: &str) -> &str {
    let mut lines = output.lines().map(str::trim).rev();
    lines
        .find(|line| !line.is_empty())
        .unwrap_or("it printed nothing")
}

/// A program that the kernel kills when this one ends.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--"])
        .arg(program)
        .stdin(Stdio::null());
    command
}

/// Runs a program until it ends or its time is over.
pub(crate) fn run(command: &mut Command, patience: Duration) -> io::Result<Finished> {
    let mut printed = tempfile::tempfile()?;
    let mut child = command
        .stdout(Stdio::from(printed.try_clone()?))
        .stderr(Stdio::from(printed.try_clone()?))
        .spawn()?;
    let status = wait(&mut child, patience)?;
    Ok(Finished {
        status,
        output: read_back(&mut printed)?,
    })
}

/// Waits; a child that takes too long is killed.
pub(crate) fn wait(child: &mut Child, patience: Duration) -> io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn read_back(file: &mut File) -> io::Result<String> {
    file.rewind()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_takes_too_long_is_killed() {
        let began = Instant::now();
        let finished = run(command("sleep").arg("60"), Duration::from_millis(50)).expect("run");
        assert!(finished.status.is_none() && began.elapsed() < Duration::from_secs(30));
        let finished = run(
            command("sh").args(["-c", "echo word; exit 3"]),
            Duration::from_secs(20),
        );
        let error = finished.expect("run").good("sh").expect_err("3");
        assert!(error.contains('3') && error.contains("word"), "{error}");
    }
}
