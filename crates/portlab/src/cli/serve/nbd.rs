//! `portlab serve nbd`.

use std::path::PathBuf;

use clap::Args;
use portlab::nbd::{
    export::Export,
    server::{Counts, Server},
};

use super::stage::{Ready, ServeError, Stage};
use crate::cli::exit::Exit;

/// Serves the driver's disks as NBD exports, each under its address such as 0:0:0
#[derive(Debug, Args)]
pub(super) struct Nbd {
    #[command(flatten)]
    stage: Stage,
    /// Listen on a Unix socket, made there and removed in the end, instead of a port
    #[arg(long, value_name = "PATH", conflicts_with_all = ["listen", "allow_remote"])]
    unix: Option<PathBuf>,
}

impl Nbd {
    /// Serves.
    pub(super) fn run(self) -> Exit {
        let unix = self.unix;
        self.stage.run("nbd", |ready| serve(&ready, unix))
    }
}

fn serve(ready: &Ready<'_>, unix: Option<PathBuf>) -> Result<Counts, ServeError> {
    let disk = ready.bench.disk();
    let startup = ready.bench.observed.startup.as_ref();
    let exports: Vec<Export> = startup
        .into_iter()
        .flat_map(portlab::workload::startup::Startup::disks)
        .map(|unit| Export::of(&disk, unit))
        .collect();
    let names = |server: &Server| {
        exports
            .iter()
            .map(|export| server.uri(export))
            .collect::<Vec<_>>()
    };
    let server = if let Some(path) = unix {
        let server = Server::unix(&path)?;
        ready.announce_at("nbd", path.display().to_string(), 0, &names(&server))?;
        server
    } else {
        let server = Server::tcp(ready.listener.try_clone()?)?;
        ready.announce("nbd", &names(&server))?;
        server
    };
    Ok(server.run(&disk, &exports, ready.stop)?)
}
