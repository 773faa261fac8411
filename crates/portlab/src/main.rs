//! `portlab`: runs a Storport miniport's `.sys` on this machine.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main().into()
}
