//! The command line.

mod ask;
mod bench;
mod capture;
mod console;
mod count;
mod ddi;
mod debug;
mod demo;
mod driver;
mod exit;
mod failing;
mod figures;
mod labspeed;
mod life;
mod page;
mod report;
mod run;
mod serve;
mod torture;
mod watch;

use clap::{Parser, Subcommand};

pub(crate) use self::exit::Exit;

/// Runs Windows Storport miniports on Linux: loads the very `.sys`, plays storport.sys and ntoskrnl.exe as
/// documented, gives it a device and says which documented rules it broke.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit status:\n  0  all is well\n  1  a check failed: wrong data, wrong answers, a leak\n  \
                  2  nothing could be run: wrong arguments, wrong files, a tool or the device is missing\n  \
                  3  the driver broke a rule or stopped the machine by a bug check\n  \
                  130  interrupted\n\n\
                  Environment:\n  PORTLAB_QEMU       another qemu-system-x86_64\n  PORTLAB_QTEST_LOG  a file for every \
                  register access, as QEMU sees it\n  TMPDIR             where temporary images are kept (unnamed, so \
                  they vanish by themselves)"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Ask(ask::Ask),
    Serve(serve::Serve),
    Demo(demo::Demo),
    Count(count::Count),
    Debug(debug::Debug),
    Capture(capture::Capture),
    Torture(torture::Torture),
    Labspeed(labspeed::LabSpeed),
    Bench(figures::Figures),
    Ddi(ddi::Ddi),
}

/// Runs the command line and says how the process is to end.
pub(crate) fn main() -> Exit {
    let arguments = Arguments::parse();
    // Who serves ends in order.
    let serves = matches!(arguments.command, Command::Serve(_));
    if !serves && let Err(error) = exit::end_on_signals() {
        eprintln!("portlab: cannot catch signals: {error}");
        return Exit::Environment;
    }
    match arguments.command {
        Command::Run(run) => run.run(),
        Command::Ask(ask) => ask.run(),
        Command::Serve(serve) => serve.run(),
        Command::Demo(demo) => demo.run(),
        Command::Count(count) => count.run(),
        Command::Debug(debug) => debug.run(),
        Command::Capture(capture) => capture.run(),
        Command::Torture(torture) => torture.run(),
        Command::Labspeed(speed) => speed.run(),
        Command::Bench(figures) => figures.run(),
        Command::Ddi(ddi) => ddi.run(),
    }
}

/// Reads a number of bytes.
fn size(text: &str) -> Result<u64, String> {
    portlab::device::spec::parse_size(text)
        .ok_or_else(|| "give a number of bytes such as 512K, 64M or 1G".to_owned())
}
