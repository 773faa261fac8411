//! The `drvpkg` command.
#![forbid(unsafe_code)]

#[expect(
    clippy::doc_markdown,
    reason = "its doc comments are the help text, where backticks would show"
)]
mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
