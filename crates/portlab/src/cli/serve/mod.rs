//! `portlab serve`: a started driver as a disk that other programs use.

mod iscsi;
mod nbd;
mod stage;

use clap::{Args, Subcommand};

use super::exit::Exit;

/// Starts a miniport and serves its disks to other programs until it is told to stop (SIGINT, SIGTERM, or its parent's end)
#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(subcommand)]
    front_end: FrontEnd,
}

#[derive(Debug, Subcommand)]
enum FrontEnd {
    Iscsi(iscsi::Iscsi),
    Nbd(nbd::Nbd),
}

impl Serve {
    /// Serves.
    pub(super) fn run(self) -> Exit {
        match self.front_end {
            FrontEnd::Iscsi(iscsi) => iscsi.run(),
            FrontEnd::Nbd(nbd) => nbd.run(),
        }
    }
}
