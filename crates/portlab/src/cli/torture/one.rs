//! One life, with its replay if it has one, and what it adds to the report.

use std::fmt::Write as _;

use portlab::torture::{Life, LifeError, Plan, Subject, live};
use serde::{Deserialize, Serialize};

use super::report::{Failure, TortureReport};

/// How to live lives.
pub(super) struct Lives {
    pub(super) subject: Subject,
    /// One in so many is lived twice.
    pub(super) replay_one_in: u64,
    /// Whether to tell of each.
    pub(super) events: bool,
}

/// A life lived.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct One {
    /// The report of this life alone; failures without their commands.
    pub(super) report: TortureReport,
    /// What to tell of it.
    pub(super) text: String,
}

impl Lives {
    /// Lives the life of a seed.
    pub(super) fn live(&self, seed: u64) -> Result<One, LifeError> {
        let plan = Plan::of(seed);
        let life = live(seed, &plan, &self.subject)?;
        let mut one = One {
            report: TortureReport {
                replay_identical: true,
                ..TortureReport::default()
            },
            text: String::new(),
        };
        one.report.count(seed, &life, &plan.holds);
        if self.events {
            one.text = told(seed, &plan, &life);
        }
        if life.wrong.is_some() || seed.is_multiple_of(self.replay_one_in) {
            let unwatched = Subject {
                observer: None,
                ..self.subject.clone()
            };
            let again = live(seed, &plan, &unwatched)?;
            one.report.replayed = 1;
            if (&again.wrong, again.events) != (&life.wrong, life.events) {
                one.report.replay_identical = false;
                // Writing to a String cannot fail.
                let _ = writeln!(
                    one.text,
                    "seed {seed}: its replay differs: {:x?} {:?}, then {:x?} {:?}",
                    life.events, life.wrong, again.events, again.wrong
                );
            }
        }
        if let Some(wrong) = life.wrong {
            one.fails(seed, wrong.to_string(), life.events);
        }
        Ok(one)
    }
}

impl One {
    /// A life that ended with its process.
    pub(super) fn of_death(seed: u64, how: &str) -> Self {
        let mut one = Self {
            report: TortureReport {
                lives: 1,
                replay_identical: true,
                ..TortureReport::default()
            },
            text: String::new(),
        };
        one.fails(seed, format!("the process that lived it died: {how}"), (0, 0));
        one
    }

    fn fails(&mut self, seed: u64, reason: String, (events, hash): (u64, u64)) {
        let failure = Failure {
            reason,
            replay: String::new(),
            events,
            hash: format!("{hash:016x}"),
        };
        self.report.failures += 1;
        self.report.failed.insert(seed, failure);
    }
}

fn told(seed: u64, plan: &Plan, life: &Life) -> String {
    let (events, hash) = life.events;
    let mut text = format!(
        "seed {seed}: {plan}\n  {events} events, hash {hash:016x}; {:?}\n",
        life.tally
    );
    for line in life.log.iter().chain(&life.latest) {
        let _ = writeln!(text, "  {line}");
    }
    for violation in &life.violations {
        let _ = writeln!(
            text,
            "  {}: {}; {}",
            violation.rule, violation.detail, violation.call
        );
        for frame in &violation.backtrace {
            let _ = writeln!(text, "    at {}", frame.place);
        }
    }
    text
}
