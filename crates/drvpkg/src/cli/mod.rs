//! The command line: verbs, exit codes, output for people and for programs.

mod catalog;
mod explain;
mod inf;
mod inspect;
mod layout;
mod messages;
mod natvis;
mod package;
mod verify;

use std::{
    error::Error,
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use serde::Serialize;

/// Driver packages for Windows, made and judged on Linux.
#[derive(Debug, Parser)]
#[command(
    name = "drvpkg",
    version,
    about,
    after_help = "Exit codes: 0 done; 1 a check or gate did not hold; 2 wrong arguments or unusable input; \
                  3 a tool that judges is missing."
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a signed driver package: sys, pdb, inf, cat, cer, README.txt and package.json.
    Package(package::Package),
    /// Verify a package, ourselves and by osslsigncode and signify.
    Verify(verify::Verify),
    /// Prepare the Python environment in which signify reads catalogs.
    Judge(verify::Judge),
    /// Work on INF files.
    #[command(subcommand)]
    Inf(inf::Inf),
    /// Look into catalogs.
    #[command(subcommand)]
    Catalog(catalog::Catalog),
    /// Say which functions of a miniport reach what its release flavour must not reach.
    Explain(explain::Explain),
    /// Show an image's message table, and whether it has a text for each message that the driver logs.
    Messages(messages::Messages),
    /// Check how a driver image was linked and, with --allow, what it imports.
    #[command(visible_alias = "imports")]
    Inspect(inspect::Inspect),
    /// Check that the natvis in a PDB names only members that its types have.
    Natvis(natvis::Natvis),
    /// Print the layout of types, and where variables lie, from a PDB.
    Layout(layout::Layout),
}

/// How a verb ended, when it did not fail.
enum Outcome {
    /// All is well.
    Done,
    /// A check or gate did not hold; what, has been said.
    Refused,
    /// A tool is missing; which, has been said.
    ToolMissing,
}

type Answer = Result<Outcome, Box<dyn Error>>;

pub(crate) fn run() -> ExitCode {
    let answer = match Cli::parse().verb {
        Verb::Package(verb) => verb.run(),
        Verb::Verify(verb) => verb.run(),
        Verb::Judge(verb) => Ok(verb.run()),
        Verb::Inf(verb) => verb.run(),
        Verb::Catalog(verb) => verb.run(),
        Verb::Explain(verb) => verb.run(),
        Verb::Inspect(verb) => verb.run(),
        Verb::Natvis(verb) => verb.run(),
        Verb::Layout(verb) => verb.run(),
        Verb::Messages(verb) => verb.run(),
    };
    match answer {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Refused) => ExitCode::from(1),
        Ok(Outcome::ToolMissing) => ExitCode::from(3),
        Err(error) => {
            eprintln!("drvpkg: {error}");
            ExitCode::from(2)
        }
    }
}

/// A file could not be read or written.
#[derive(Debug, thiserror::Error)]
enum FileError {
    #[error("cannot read {0}: {1}; correct the path")]
    Read(PathBuf, io::Error),
    #[error("cannot write {0}: {1}")]
    Write(PathBuf, io::Error),
}

fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(|error| FileError::Read(path.to_owned(), error))
}

fn print_json(value: &impl Serialize) -> Result<(), serde_json::Error> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}
