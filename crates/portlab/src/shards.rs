//! Processes that share out seeds: what one life does to its process is no other life's concern.
//!
//! The parent starts children of the same program and hands each one seed at a time, a line on its standard input; the child answers with
//! a line on its standard output. A child that dies was living the seed that it has not answered: that is reported, another
//! child takes its place, and the rest goes on. A child may also end on its own after an answer, when its process is no longer as good as
//! new.
//!
//! Children are in process groups of their own, so that Ctrl-C asks the parent alone, and die with it however it dies.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::{self, BufRead, BufReader, Write as _},
    ops::{ControlFlow, Range},
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Signal, set_parent_process_death_signal},
};

/// What became of a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lived {
    /// The child's answer, without the end of the line.
    Answer(String),
    /// The child died of it; how, in words.
    Died(String),
}

/// How to run shards.
#[derive(Debug, Clone)]
pub struct Shards {
    /// The program that children run.
    pub program: PathBuf,
    /// Its arguments; it calls [`serve`].
    pub arguments: Vec<OsString>,
    /// Children at a time.
    pub jobs: usize,
    /// How long a child may take for one seed; then it is killed.
    pub patience: Duration,
}

/// One child at the other end of two pipes.
struct Shard {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Shard {
    fn start(shards: &Shards) -> io::Result<Self> {
        let mut child = Command::new(&shards.program)
            .args(&shards.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (questions, answers) = pipes.ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self {
            child,
            questions,
            answers: BufReader::new(answers),
        })
    }

    /// The answer for a seed; `None` if the child ended before it took the seed.
    fn live(&mut self, seed: u64, patience: Duration) -> io::Result<Option<Lived>> {
        if writeln!(self.questions, "{seed}")
            .and_then(|()| self.questions.flush())
            .is_err()
        {
            // Ended after its last answer; or it has died since: both show in its status.
            let status = self.child.wait()?;
            return Ok((!status.success()).then(|| Lived::Died(status.to_string())));
        }
        if self.answers.buffer().is_empty() && !self.is_readable(patience)? {
            self.child.kill()?;
            self.child.wait()?;
            return Ok(Some(Lived::Died(format!("no answer for {patience:?}"))));
        }
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        if line.ends_with('\n') {
            line.pop();
            return Ok(Some(Lived::Answer(line)));
        }
        let status = self.child.wait()?;
        // It ended in order: the seed had not been looked at.
        if status.success() && line.is_empty() {
            return Ok(None);
        }
        Ok(Some(Lived::Died(status.to_string())))
    }

    fn is_readable(&self, patience: Duration) -> io::Result<bool> {
        let mut files = [PollFd::new(self.answers.get_ref(), PollFlags::IN)];
        let timeout = Timespec::try_from(patience).ok();
        loop {
            match poll(&mut files, timeout.as_ref()) {
                Err(rustix::io::Errno::INTR) => {}
                ready => return Ok(ready? != 0),
            }
        }
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        // It ends by itself at the end of its input; one that is busy is not waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Shards {
    /// Lives all seeds; `each` is told of them in ascending order, and may end it.
    ///
    /// # Errors
    /// If children cannot be started or talked to.
    pub fn run(
        &self,
        seeds: Range<u64>,
        each: &mut dyn FnMut(u64, Lived) -> ControlFlow<()>,
    ) -> io::Result<()> {
        let next = AtomicU64::new(seeds.start);
        let stopped = AtomicBool::new(false);
        let (results, inbox) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                let results = results.clone();
                let (next, stopped, end) = (&next, &stopped, seeds.end);
                scope.spawn(move || {
                    if let Err(error) = self.work(next, end, stopped, &results) {
                        // Whoever listened may have gone.
                        let _ = results.send(Err(error));
                    }
                });
            }
            drop(results);
            let mut early = BTreeMap::new();
            let mut expected = seeds.start;
            for result in inbox {
                let (seed, lived) = result.inspect_err(|_| stopped.store(true, Ordering::Release))?;
                early.insert(seed, lived);
                while let Some(lived) = early.remove(&expected) {
                    if each(expected, lived).is_break() {
                        stopped.store(true, Ordering::Release);
                        return Ok(());
                    }
                    expected += 1;
                }
            }
            Ok(())
        })
    }

    /// One child after the other, until no seed is left.
    fn work(
        &self,
        next: &AtomicU64,
        end: u64,
        stopped: &AtomicBool,
        results: &mpsc::Sender<io::Result<(u64, Lived)>>,
    ) -> io::Result<()> {
        let mut shard = None;
        let mut left = None;
        loop {
            let seed = left.take().unwrap_or_else(|| next.fetch_add(1, Ordering::AcqRel));
            if seed >= end || stopped.load(Ordering::Acquire) {
                return Ok(());
            }
            let mut own = match shard.take() {
                Some(shard) => shard,
                None => Shard::start(self)?,
            };
            match own.live(seed, self.patience)? {
                Some(lived) => {
                    let died = matches!(lived, Lived::Died(_));
                    if results.send(Ok((seed, lived))).is_err() {
                        return Ok(());
                    }
                    shard = (!died).then_some(own);
                }
                None => left = Some(seed),
            }
        }
    }
}

/// What a child does: `live` answers each seed in a line, and says whether the process is still as good as new.
///
/// # Errors
/// If the parent cannot be heard or told.
pub fn serve(live: &mut dyn FnMut(u64) -> (String, bool)) -> io::Result<()> {
    // If the parent is gone already, the input has ended.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let seed = line?
            .parse()
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let (answer, as_new) = live(seed);
        writeln!(output, "{}", answer.replace('\n', " "))?;
        output.flush()?;
        if !as_new {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shards(script: &str) -> Shards {
        Shards {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            jobs: 3,
            patience: Duration::from_secs(20),
        }
    }

    fn all(shards: &Shards, seeds: Range<u64>) -> Vec<(u64, Lived)> {
        let mut told = Vec::new();
        shards
            .run(seeds, &mut |seed, lived| {
                told.push((seed, lived));
                ControlFlow::Continue(())
            })
            .unwrap();
        told
    }

    #[test]
    fn answers_come_in_the_order_of_the_seeds() {
        let told = all(
            &shards("while read seed; do [ $((seed % 3)) = 0 ] && sleep 0.02; echo \"life $seed\"; done"),
            5..40,
        );
        let expected: Vec<_> = (5..40)
            .map(|seed| (seed, Lived::Answer(format!("life {seed}"))))
            .collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn a_child_that_dies_names_its_seed_and_the_rest_goes_on() {
        let told = all(
            &shards("while read seed; do [ $seed = 7 ] && kill -SEGV $$; echo $seed; done"),
            0..20,
        );
        assert_eq!(told.len(), 20);
        for (seed, lived) in told {
            match lived {
                Lived::Died(how) => assert!(seed == 7 && how.contains("signal: 11"), "{seed} {how}"),
                Lived::Answer(text) => assert!(seed != 7 && text == seed.to_string()),
            }
        }
    }

    #[test]
    fn a_child_may_end_after_an_answer_and_one_that_hangs_is_killed() {
        let told = all(&shards("read seed; echo $seed"), 0..9);
        assert!(
            told.iter()
                .all(|(seed, lived)| *lived == Lived::Answer(seed.to_string()))
        );
        let hangs = Shards {
            patience: Duration::from_millis(300),
            ..shards("while read seed; do [ $seed = 2 ] && exec sleep 60; echo $seed; done")
        };
        let told = all(&hangs, 0..5);
        let died: Vec<u64> = told
            .iter()
            .filter(|(_, lived)| matches!(lived, Lived::Died(_)))
            .map(|(seed, _)| *seed)
            .collect();
        assert!(died.contains(&2), "{told:?}");
    }

    #[test]
    fn it_ends_when_it_is_told_to() {
        let mut told = 0;
        shards("while read seed; do echo $seed; done")
            .run(0..1_000_000, &mut |seed, _| {
                told += 1;
                if seed == 10 {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })
            .unwrap();
        assert_eq!(told, 11);
    }
}
