//! How the process ends.

use std::{io, process::ExitCode, thread};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

/// Status of a process that was interrupted, as shells count it.
pub(super) const INTERRUPTED: i32 = 130;

/// The documented exit statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is well.
    Success,
    /// A check failed.
    CheckFailed,
    /// Nothing could be run.
    Environment,
    /// The driver broke a rule.
    Violation,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::CheckFailed => 1,
            Exit::Environment => 2,
            Exit::Violation => 3,
        })
    }
}

/// Ends the process on Ctrl-C and its like. The emulator goes with it: the kernel kills it when the thread that
/// started it ends.
pub(super) fn end_on_signals() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        if signals.forever().next().is_some() {
            eprintln!("portlab: interrupted; the device is switched off");
            signal_hook::low_level::exit(INTERRUPTED);
        }
    })?;
    Ok(())
}
