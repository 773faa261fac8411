//! Lives in processes of their own, several at a time: `--jobs`.

use std::{
    env,
    ffi::OsString,
    ops::{ControlFlow, Range},
    path::PathBuf,
    time::Duration,
};

use portlab::shards::{self, Lived, Shards};
use serde::{Deserialize, Serialize};

use super::one::{Lives, One};

/// How long a life and its replay may take together. A life that does not come to an end ends itself long before.
const PATIENCE: Duration = Duration::from_mins(10);

/// What became of a seed.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Lived, whatever came of it.
    Lived(Box<One>),
    /// Its process died of it; how, in words.
    Died(String),
}

/// A child's line.
#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    Lived(Box<One>),
    /// Nothing that the driver did.
    Impossible(String),
}

/// The processes.
pub(super) struct Processes<'a> {
    /// How many.
    pub(super) jobs: usize,
    /// What they live.
    pub(super) lives: &'a Lives,
    /// Its INF, if it is not beside the driver.
    pub(super) inf: Option<PathBuf>,
}

impl Processes<'_> {
    /// Lives all seeds; `each` is told of them in ascending order, and may end it.
    pub(super) fn run(
        &self,
        seeds: Range<u64>,
        each: &mut dyn FnMut(u64, Outcome) -> ControlFlow<()>,
    ) -> Result<(), String> {
        let shards = Shards {
            program: env::current_exe().map_err(|error| format!("this program's own path: {error}"))?,
            arguments: self.arguments(),
            jobs: self.jobs,
            patience: PATIENCE,
        };
        let mut impossible = None;
        let run = shards.run(seeds, &mut |seed, lived| {
            let outcome = match lived {
                Lived::Died(how) => Outcome::Died(how),
                Lived::Answer(line) => match serde_json::from_str(&line) {
                    Ok(Answer::Lived(one)) => Outcome::Lived(one),
                    Ok(Answer::Impossible(why)) => {
                        impossible = Some(why);
                        return ControlFlow::Break(());
                    }
                    Err(error) => {
                        impossible = Some(format!("seed {seed}: an answer that is none: {error}"));
                        return ControlFlow::Break(());
                    }
                },
            };
            each(seed, outcome)
        });
        run.map_err(|error| format!("the processes that live the lives: {error}"))?;
        impossible.map_or(Ok(()), Err)
    }

    fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["torture".into(), "--serve".into()];
        arguments.push("--replay-one-in".into());
        arguments.push(self.lives.replay_one_in.to_string().into());
        if self.lives.events {
            arguments.push(format!("--events={}", self.lives.subject.events).into());
        }
        if let Some(inf) = &self.inf {
            arguments.push("--inf".into());
            arguments.push(inf.into());
        }
        arguments.push("--".into());
        arguments.push(self.lives.subject.driver.clone().into());
        arguments
    }
}

/// What each of the processes does.
pub(super) fn serve(lives: &Lives) -> Result<(), String> {
    let answered = shards::serve(&mut |seed| {
        let answer = match lives.live(seed) {
            Ok(one) => Answer::Lived(Box::new(one)),
            Err(error) => Answer::Impossible(error.to_string()),
        };
        // What a failed life has left behind is no other life's concern.
        let as_new = matches!(&answer, Answer::Lived(one) if one.report.failures == 0);
        let line = serde_json::to_string(&answer).unwrap_or_else(|error| error.to_string());
        (line, as_new)
    });
    answered.map_err(|error| error.to_string())
}
