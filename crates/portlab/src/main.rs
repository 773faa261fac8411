//! `portlab`: runs a Storport miniport's `.sys` on this machine.

mod cli;

use std::{panic, process, process::ExitCode};

/// What a shell says of a process that SIGPIPE has ended.
const BROKEN_PIPE: i32 = 128 + 13;

/// Nobody reads any more, as behind `| head`: no reason to tell of a panic. SIGPIPE itself stays ignored, since emulators and other
/// processes that go away must not take the lab with them.
fn end_with_the_reader() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let text = info.payload_as_str().unwrap_or_default();
        if text.starts_with("failed printing to") && text.contains("Broken pipe") {
            process::exit(BROKEN_PIPE);
        }
        usual(info);
    }));
}

fn main() -> ExitCode {
    end_with_the_reader();
    cli::main().into()
}
