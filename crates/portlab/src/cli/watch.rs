//! Watching a run: what `--trace` and `--report` ask for.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use portlab::observe::{
    Observer, Several,
    record::{Record, Recorder},
    timeline::Timeline,
};

use super::report::{self, WriteError};

/// What is to be written about a run besides its result.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Watch {
    /// Write a timeline that <https://ui.perfetto.dev> opens
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Write a page: verdict, violations, latencies, throughput, events
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

/// Whoever watches.
#[derive(Default)]
pub(super) struct Watching {
    timeline: Option<(PathBuf, Arc<Timeline>)>,
    report: Option<(PathBuf, Arc<Recorder>)>,
}

impl Watch {
    /// Opens the files.
    pub(super) fn begin(&self) -> Result<Watching, WriteError> {
        let timeline = self.trace.as_deref().map(create).transpose()?;
        let report = self.report.clone();
        let report = report.map(|path| (path, Arc::new(Recorder::default())));
        Ok(Watching { timeline, report })
    }
}

/// Opens a timeline's file.
pub(super) fn create(path: &Path) -> Result<(PathBuf, Arc<Timeline>), WriteError> {
    let parent = path
        .parent()
        .filter(|directory| !directory.as_os_str().is_empty());
    let timeline = parent
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| Timeline::create(path))
        .map_err(|error| WriteError::new(path, error))?;
    Ok((path.to_owned(), Arc::new(timeline)))
}

impl Watching {
    /// Who is to be told.
    pub(super) fn observer(&self) -> Option<Arc<dyn Observer>> {
        let timeline = self.timeline.as_ref();
        let timeline = timeline.map(|(_, timeline)| Arc::clone(timeline) as Arc<dyn Observer>);
        let recorder = self.report.as_ref();
        let recorder = recorder.map(|(_, recorder)| Arc::clone(recorder) as Arc<dyn Observer>);
        match (timeline, recorder) {
            (Some(timeline), Some(recorder)) => Some(Arc::new(Several(vec![timeline, recorder]))),
            (one, other) => one.or(other),
        }
    }

    /// Writes the rest; `page` makes the page of what was recorded.
    pub(super) fn finish(&self, page: impl FnOnce(&Record) -> String) -> Result<(), WriteError> {
        if let Some((path, recorder)) = &self.report {
            report::write_text(path, &page(&recorder.record()))?;
            println!("page       {}", path.display());
        }
        if let Some((path, timeline)) = &self.timeline {
            timeline.finish().map_err(|error| WriteError::new(path, error))?;
            println!(
                "trace      {} (open it in https://ui.perfetto.dev)",
                path.display()
            );
        }
        Ok(())
    }
}

/// What was typed, as a shell takes it again.
pub(super) fn command_line() -> String {
    let quoted = |argument: String| {
        let plain = |character: char| character.is_ascii_alphanumeric() || "-_./,:=+@%".contains(character);
        if !argument.is_empty() && argument.chars().all(plain) {
            argument
        } else {
            format!("'{}'", argument.replace('\'', "'\\''"))
        }
    };
    let arguments = std::env::args_os().skip(1);
    let arguments = arguments.map(|argument| quoted(argument.to_string_lossy().into_owned()));
    std::iter::once(String::from("portlab"))
        .chain(arguments)
        .collect::<Vec<_>>()
        .join(" ")
}
