//! Progress on a terminal as a bar, elsewhere as plain lines.

use std::{
    io::IsTerminal as _,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use portlab::workload::progress::Progress;

/// Where progress is shown.
#[derive(Debug)]
pub(super) struct Console {
    terminal: bool,
    phase: Mutex<Option<Phase>>,
}

#[derive(Debug)]
struct Phase {
    name: String,
    bytes: u64,
    done: u64,
    /// Quarters that were told, where there is no bar.
    quarters: u64,
    started: Instant,
    bar: Option<ProgressBar>,
}

impl Console {
    /// Looks at whether standard error is a terminal.
    pub(super) fn new() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            phase: Mutex::new(None),
        }
    }

    fn phase(&self) -> MutexGuard<'_, Option<Phase>> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Console {
    fn begin(&self, phase: &str, bytes: u64) {
        let bar = self.terminal.then(|| bar(phase, bytes));
        let phase = Phase {
            name: phase.to_owned(),
            bytes,
            done: 0,
            quarters: 0,
            started: Instant::now(),
            bar,
        };
        *self.phase() = Some(phase);
    }

    fn advance(&self, bytes: u64) {
        let mut guard = self.phase();
        let Some(phase) = guard.as_mut() else { return };
        phase.done += bytes;
        if let Some(bar) = &phase.bar {
            bar.inc(bytes);
        } else if let Some(quarters) = (phase.done * 4).checked_div(phase.bytes)
            && (phase.quarters + 1..4).contains(&quarters)
        {
            phase.quarters = quarters;
            eprintln!(
                "{}: {} of {}",
                phase.name,
                mebibytes(phase.done),
                mebibytes(phase.bytes)
            );
        }
    }

    fn note(&self, text: &str) {
        match self.phase().as_ref().and_then(|phase| phase.bar.as_ref()) {
            Some(bar) => bar.println(text),
            None => eprintln!("{text}"),
        }
    }

    fn end(&self) {
        let Some(phase) = self.phase().take() else { return };
        if let Some(bar) = phase.bar {
            bar.finish_and_clear();
        }
        let elapsed = phase.started.elapsed();
        if phase.bytes == 0 {
            eprintln!("{}: {:.1} s", phase.name, elapsed.as_secs_f64());
        } else {
            eprintln!(
                "{}: {} in {}",
                phase.name,
                mebibytes(phase.done),
                rate(phase.done, elapsed)
            );
        }
    }
}

fn bar(phase: &str, bytes: u64) -> ProgressBar {
    let (bar, template) = if bytes == 0 {
        (ProgressBar::new_spinner(), "{spinner} {msg} {elapsed}")
    } else {
        (
            ProgressBar::new(bytes),
            "{msg:10} [{wide_bar}] {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        )
    };
    bar.enable_steady_tick(Duration::from_millis(200));
    // A template that does not parse would only cost the layout.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style).with_message(phase.to_owned())
}

/// A number of bytes for people.
pub(super) fn mebibytes(bytes: u64) -> String {
    match bytes {
        0..0x400 => format!("{bytes} B"),
        0x400..0x10_0000 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

/// A duration and the rate that it makes of a number of bytes.
fn rate(bytes: u64, elapsed: Duration) -> String {
    let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    let per_second = bytes.saturating_mul(1000) / milliseconds;
    format!("{:.1} s ({}/s)", elapsed.as_secs_f64(), mebibytes(per_second))
}
