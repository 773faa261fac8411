//! The label of a driver: what its source says of itself.

use std::{
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
    str::FromStr,
};

use portlab::{
    device::spec::DeviceSpec,
    model::{
        EngineKind,
        rules::{RULES, Rule},
    },
};

use crate::life::Life;

/// What the line of a label that is meant for the keeper begins with.
const MARK: &str = "zoo:";
/// Lines of a source in which its label is looked for.
const HEAD: usize = 40;

/// What is wrong with a label.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    /// The source cannot be read.
    #[error("{0}: {1}")]
    Unreadable(PathBuf, io::Error),
    /// It has none.
    #[error("{0}: no line with `zoo: rule=ID` among the first {HEAD}")]
    Absent(PathBuf),
    /// A part of it is wrong.
    #[error("{0}: `{1}`: {2}")]
    Wrong(PathBuf, String, &'static str),
}

/// A driver, and what is expected of it.
#[derive(Debug, Clone)]
pub struct Label {
    /// Its source.
    pub source: PathBuf,
    /// Its name: the source's without extension.
    pub name: String,
    /// What it is written in.
    pub language: &'static str,
    /// The rule that it breaks; `None` for a right one.
    pub rule: Option<&'static Rule>,
    /// Rules that may be reported as well, because the breach leads to them.
    pub also: Vec<&'static Rule>,
    /// What is done with it.
    pub life: Life,
    /// What runs the machine.
    pub engine: EngineKind,
    /// Seeds of what the lab chooses: lived one after the other, until the rule is reported.
    pub seeds: Range<u64>,
    /// What it does: the label's first paragraph.
    pub what: String,
    /// Where the rule is written down: the label's last paragraph.
    pub source_of_rule: String,
    /// Of `AllocationFailures`: which allocations fail.
    pub failing: Option<String>,
    /// The device it is for, as for `portlab run`; the scratch device if it is not said.
    pub device: Option<DeviceSpec>,
}

fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.id == id)
}

/// The paragraphs of the comment at a source's beginning, up to the keeper's line.
fn paragraphs(text: &str) -> Vec<String> {
    let mut paragraphs = vec![String::new()];
    for line in text.lines().take_while(|line| !line.contains(MARK)) {
        let words = line.trim().trim_start_matches(['/', '!', '*']).trim();
        match (words, paragraphs.last_mut()) {
            ("", Some(last)) if last.is_empty() => {}
            ("", _) | (_, None) => paragraphs.push(words.to_owned()),
            (words, Some(last)) => {
                if !last.is_empty() {
                    last.push(' ');
                }
                last.push_str(words);
            }
        }
    }
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs
}

impl Label {
    /// Reads the label in a source file.
    ///
    /// # Errors
    /// If there is none, or it says what nobody understands.
    pub fn read(source: &Path) -> Result<Self, LabelError> {
        let text =
            fs::read_to_string(source).map_err(|error| LabelError::Unreadable(source.to_owned(), error))?;
        Self::parse(source, &text)
    }

    fn parse(source: &Path, text: &str) -> Result<Self, LabelError> {
        let said = text
            .lines()
            .take(HEAD)
            .find_map(|line| line.split_once(MARK).map(|(_, said)| said.trim()));
        let said = said.ok_or_else(|| LabelError::Absent(source.to_owned()))?;
        let paragraphs = paragraphs(text);
        let mut label = Self {
            source: source.to_owned(),
            name: source
                .file_stem()
                .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned()),
            language: if source.extension().is_some_and(|extension| extension == "rs") {
                "Rust"
            } else {
                "C"
            },
            rule: None,
            also: Vec::new(),
            life: Life::Whole,
            engine: EngineKind::Deterministic,
            seeds: 0..1,
            failing: None,
            device: None,
            what: paragraphs.first().cloned().unwrap_or_default(),
            source_of_rule: paragraphs.last().cloned().unwrap_or_default(),
        };
        let mut ruled = false;
        for part in said.split_whitespace() {
            let wrong = |why| LabelError::Wrong(source.to_owned(), part.to_owned(), why);
            let (key, value) = part.split_once('=').ok_or_else(|| wrong("give KEY=VALUE"))?;
            match key {
                "rule" => {
                    ruled = true;
                    if value != "none" {
                        label.rule = Some(rule(value).ok_or_else(|| wrong("the lab has no such rule"))?);
                    }
                }
                "also" => {
                    for id in value.split('+') {
                        label
                            .also
                            .push(rule(id).ok_or_else(|| wrong("the lab has no such rule"))?);
                    }
                }
                "life" => label.life = Life::from_str(value).map_err(|()| wrong("there is no such life"))?,
                "engine" => label.engine = value.parse().map_err(|_| wrong("parallel or deterministic"))?,
                "seeds" => {
                    let (first, end) = value.split_once("..").ok_or_else(|| wrong("give FIRST..END"))?;
                    let number = |text: &str| text.parse().map_err(|_| wrong("a seed is a number"));
                    label.seeds = number(first)?..number(end)?;
                }
                "failing" => label.failing = Some(value.replace('_', " ")),
                "device" => {
                    let device = value.parse();
                    label.device = Some(device.map_err(|_| wrong("the lab has no such device"))?);
                }
                _ => {
                    return Err(wrong(
                        "the keys are rule, also, life, engine, seeds, failing, device",
                    ));
                }
            }
        }
        if ruled {
            Ok(label)
        } else {
            Err(LabelError::Absent(source.to_owned()))
        }
    }

    /// All drivers whose sources lie in the folders, by name.
    ///
    /// # Errors
    /// As [`Label::read`].
    pub fn read_all(folders: &[PathBuf]) -> Result<Vec<Self>, LabelError> {
        let mut labels = Vec::new();
        for folder in folders {
            let unreadable = |error| LabelError::Unreadable(folder.clone(), error);
            for entry in fs::read_dir(folder).map_err(unreadable)? {
                let path = entry.map_err(unreadable)?.path();
                if path
                    .extension()
                    .is_some_and(|extension| extension == "rs" || extension == "c")
                {
                    labels.push(Self::read(&path)?);
                }
            }
        }
        labels.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Label, LabelError> {
        Label::parse(Path::new("a/b-c.rs"), text)
    }

    #[test]
    fn labels_are_read() {
        let label =
            parse("//! Text.\n//!\n//! zoo: rule=lock-order also=lock-recursion life=start seeds=3..5")
                .expect("a label");
        assert_eq!(
            (label.name.as_str(), label.language, label.seeds.clone()),
            ("b-c", "Rust", 3..5)
        );
        assert_eq!(label.rule.map(|rule| rule.id), Some("lock-order"));
        assert_eq!(
            label.also.iter().map(|rule| rule.id).collect::<Vec<_>>(),
            ["lock-recursion"]
        );
        assert!(parse("// zoo: rule=none").expect("a label").rule.is_none());
    }

    #[test]
    fn paragraphs_are_told_apart() {
        let label =
            parse("/*\n * One\n * two.\n *\n * Three.\n *\n * zoo: rule=lock-order\n */").expect("a label");
        assert_eq!(
            (label.what.as_str(), label.source_of_rule.as_str()),
            ("One two.", "Three.")
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "// zoo: life=whole",
            "// zoo: rule=nothing-known",
            "// zoo: rule=none life=merry",
            "// zoo: rule=none also=none",
            "// zoo: rule=none colour=red",
            "// zoo: rule",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
