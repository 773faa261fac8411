//! What was seen, and whether it is what the row says.

use probe_rows::{Answer, Effect, Function, Reach, WRONG};

/// What was seen of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// What the call answered, if it was made.
    pub answer: Option<u32>,
    /// What the driver counted.
    pub effect: u32,
    /// Rules of the lab that were broken, by name.
    pub rules: Vec<&'static str>,
    /// What kept the row from being observed as meant.
    pub trouble: Option<String>,
}

impl Observation {
    /// Whether it is what the row says: the answer, the effect, and the broken rules, no more and no less.
    #[must_use]
    pub fn is(&self, answer: Answer, reach: &Reach) -> bool {
        self.answer == Some(answer.value())
            && self.effect == reach.effect.count
            && self.rules == reach.rules
            && self.trouble.is_none()
    }

    /// In words, for a call.
    #[must_use]
    pub fn describe(&self, function: Function, expected: Effect) -> String {
        let answer = match self.answer {
            None => "not called".to_owned(),
            Some(value) => name(function, value),
        };
        let mut text = answer;
        if self.effect == expected.count {
            push(&mut text, expected.meaning);
        } else if self.effect & WRONG == 0 {
            push(
                &mut text,
                &format!(
                    "{} time(s), not {}: {}",
                    self.effect, expected.count, expected.meaning
                ),
            );
        } else {
            push(
                &mut text,
                "a callback ran with wrong arguments, at a wrong IRQL, or unasked for",
            );
        }
        if let Some(trouble) = &self.trouble {
            push(&mut text, trouble);
        }
        text
    }
}

/// What the row expects, in the words of [`Observation::describe`].
#[must_use]
pub fn expectation(answer: Answer, effect: Effect) -> String {
    let mut text = answer.name().to_owned();
    push(&mut text, effect.meaning);
    text
}

/// The name of an answer of a call, or its number.
#[must_use]
pub fn name(function: Function, value: u32) -> String {
    let known = function.answers().iter().find(|answer| answer.value() == value);
    known.map_or_else(|| format!("{value:#010x}"), |answer| answer.name().to_owned())
}

fn push(text: &mut String, more: &str) {
    if !more.is_empty() {
        text.push_str("; ");
        text.push_str(more);
    }
}

#[cfg(test)]
mod tests {
    use probe_rows::{ROWS, Way};

    use super::*;

    fn right() -> (Answer, Reach, Observation) {
        let row = ROWS
            .iter()
            .find(|row| row.answer == Answer::InvalidIrql)
            .expect("a row");
        let Way::Reached(reach) = row.way else {
            panic!("the row is reached")
        };
        let observation = Observation {
            answer: Some(row.answer.value()),
            effect: reach.effect.count,
            rules: reach.rules.to_vec(),
            trouble: None,
        };
        (row.answer, reach, observation)
    }

    #[test]
    fn each_part_of_an_observation_counts() {
        let (answer, reach, observation) = right();
        assert!(observation.is(answer, &reach));
        let wrong = |change: fn(&mut Observation)| {
            let mut observation = observation.clone();
            change(&mut observation);
            assert!(!observation.is(answer, &reach), "{observation:?}");
        };
        wrong(|observation| observation.answer = None);
        wrong(|observation| observation.answer = Some(0));
        wrong(|observation| observation.effect = 1);
        wrong(|observation| observation.rules.clear());
        wrong(|observation| observation.rules.push("worker-leaked"));
        wrong(|observation| observation.trouble = Some("no memory".to_owned()));
    }
}
