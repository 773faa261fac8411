//! The ways in which the model is made wrong, derived from the table: for each row that is reached, its answer is every
//! other one on the call's page in turn; what succeeds does nothing; what is delivered arrives changed.

use std::{fmt, str::FromStr};

use portlab::model::{Change, Mutation};
use probe_rows::{Answer, Case, Function, ROWS, Reach, Row, Way};

use crate::observation::name;

/// Arrives instead of an argument.
const STRAY: u64 = 0x5712_A500;

/// A model that is wrong in one way, and the row that has to notice.
#[derive(Debug, Clone)]
pub struct Mutant {
    /// The row.
    pub row: &'static Row,
    /// How it is reached.
    pub reach: Reach,
    /// What is wrong while it is.
    pub mutation: Mutation,
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |value| name(self.row.function, value);
        match self.mutation.change {
            Change::Answer { from, to } => write!(f, "answers {} for {}", named(to), named(from)),
            Change::Ignored { answer } => write!(f, "does nothing, answers {}", named(answer)),
            Change::Argument { index, .. } => write!(f, "argument {index} arrives changed"),
            Change::LaterArgumentsWin => f.write_str("the later request's arguments win"),
        }
    }
}

/// All of them.
#[must_use]
pub fn all() -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for row in ROWS {
        let Way::Reached(reach) = row.way else { continue };
        for change in changes(row, &reach) {
            mutants.push(Mutant {
                row,
                reach,
                mutation: Mutation {
                    call: call(row.function),
                    change,
                },
            });
        }
    }
    mutants
}

fn changes(row: &Row, reach: &Reach) -> Vec<Change> {
    let from = row.answer.value();
    let others = row
        .function
        .answers()
        .iter()
        .filter(|answer| **answer != row.answer);
    let mut changes: Vec<Change> = others
        .map(|answer| Change::Answer {
            from,
            to: answer.value(),
        })
        .collect();
    if row.answer.is_success() && reach.effect.count > 0 {
        changes.push(Change::Ignored { answer: from });
    }
    let stray = |&index| Change::Argument { index, value: STRAY };
    changes.extend(reach.delivers.iter().map(stray));
    if reach.case == Case::IssueDpcQueued {
        changes.push(Change::LaterArgumentsWin);
    }
    changes
}

/// The name by which the lab knows a call.
fn call(function: Function) -> String {
    match function {
        Function::IssueDpc => "StorPortNotification(IssueDpc)".to_owned(),
        other => other.name().to_owned(),
    }
}

/// A wrong answer that a person asked for: `CALL:RIGHT=WRONG`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong(pub Mutation);

/// A text that is no [`Wrong`].
#[derive(Debug, thiserror::Error)]
#[error("give CALL:RIGHT=WRONG, for example StorPortQueueWorkItem:STOR_STATUS_BUSY=STOR_STATUS_SUCCESS")]
pub struct ParseWrongError;

impl FromStr for Wrong {
    type Err = ParseWrongError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (function, answers) = text.split_once(':').ok_or(ParseWrongError)?;
        let (from, to) = answers.split_once('=').ok_or(ParseWrongError)?;
        let mut functions = Function::ALL.iter();
        let function = functions
            .find(|known| known.name() == function)
            .ok_or(ParseWrongError)?;
        let value = |name: &str| {
            let answer = function.answers().iter().find(|answer| answer.name() == name);
            answer.copied().map(Answer::value).ok_or(ParseWrongError)
        };
        Ok(Self(Mutation {
            call: call(*function),
            change: Change::Answer {
                from: value(from)?,
                to: value(to)?,
            },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reached_row_has_a_mutant() {
        let mutants = all();
        for row in ROWS {
            let expected = matches!(row.way, Way::Reached(_));
            assert_eq!(
                mutants.iter().any(|mutant| mutant.row == row),
                expected,
                "{row:?}"
            );
        }
    }

    #[test]
    fn a_wrong_answer_is_read() {
        let text = "StorPortQueueWorkItem:STOR_STATUS_BUSY=STOR_STATUS_SUCCESS";
        let Wrong(mutation) = text.parse().expect(text);
        assert_eq!(mutation.call, "StorPortQueueWorkItem");
        assert_eq!(
            mutation.change,
            Change::Answer {
                from: 0xC100_000C,
                to: 0
            }
        );
        for text in [
            "",
            "StorPortQueueWorkItem",
            "StorPortQueueWorkItem:TRUE=FALSE",
            "Queue:TRUE=FALSE",
        ] {
            assert!(text.parse::<Wrong>().is_err(), "{text}");
        }
    }
}
