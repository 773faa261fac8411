//! A round through the zoo: every driver in a process of its own, so that none harms another or the keeper.

use std::{
    io::{self, Read as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{label::Label, report::Row, visit::Seen};

/// What a driver's life may take of the host's time, which may be busy with other things.
const PATIENCE: Duration = Duration::from_mins(2);
/// How often a life is looked at.
const GLANCE: Duration = Duration::from_millis(2);

/// What a round needs to know.
#[derive(Debug)]
pub struct Round<'a> {
    /// This program.
    pub keeper: &'a Path,
    /// The folder of the drivers.
    pub drivers: &'a Path,
    /// A rule that the lab is not to judge.
    pub without: Option<&'a str>,
}

impl Round<'_> {
    /// Looks at all drivers, as many at a time as there are processors; the rows are in the labels' order.
    #[must_use]
    pub fn walk(&self, labels: &[Label]) -> Vec<Row> {
        let next = AtomicUsize::new(0);
        let rows = Mutex::new(Vec::new());
        let walkers = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            for _ in 0..walkers {
                scope.spawn(|| {
                    while let Some((index, label)) = {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        labels.get(index).map(|label| (index, label))
                    } {
                        let row = self.row(label);
                        rows.lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .push((index, row));
                    }
                });
            }
        });
        let mut rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
        rows.sort_by_key(|&(index, _)| index);
        rows.into_iter().map(|(_, row)| row).collect()
    }

    fn row(&self, label: &Label) -> Row {
        let began = Instant::now();
        let driver = self.drivers.join(format!("{}.sys", label.name));
        let seen = if driver.is_file() {
            self.visit(label, &driver)
                .unwrap_or_else(|error| failed(&error.to_string()))
        } else {
            failed(&format!("there is no {}", driver.display()))
        };
        Row::new(label, seen, began.elapsed())
    }

    fn visit(&self, label: &Label, driver: &Path) -> io::Result<Seen> {
        let mut command = Command::new(self.keeper);
        command
            .arg("--visit")
            .arg(&label.source)
            .arg("--driver")
            .arg(driver);
        if let Some(rule) = self.without {
            command.args(["--without", rule]);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let ended = wait(&mut child)?;
        let (mut said, mut complaint) = (String::new(), String::new());
        if let Some(stdout) = &mut child.stdout {
            stdout.read_to_string(&mut said)?;
        }
        if let Some(stderr) = &mut child.stderr {
            stderr.read_to_string(&mut complaint)?;
        }
        if !ended {
            return Ok(failed(&format!("its life did not end within {PATIENCE:?}")));
        }
        Ok(serde_json::from_str(&said).unwrap_or_else(|_| {
            let last = complaint.lines().last().unwrap_or("no word").to_owned();
            failed(&format!("the lab died: {last}"))
        }))
    }
}

fn failed(why: &str) -> Seen {
    Seen {
        breaches: Vec::new(),
        failure: Some(why.to_owned()),
    }
}

/// Waits for a life to end; ends one that takes too long. What it says fits a pipe.
fn wait(child: &mut Child) -> io::Result<bool> {
    let end = Instant::now() + PATIENCE;
    loop {
        if child.try_wait()?.is_some() {
            return Ok(true);
        }
        if Instant::now() >= end {
            child.kill()?;
            child.wait()?;
            return Ok(false);
        }
        thread::sleep(GLANCE);
    }
}
