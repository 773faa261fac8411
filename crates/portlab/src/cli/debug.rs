//! `portlab debug`: gdb on a live run, with the driver's source lines.

use std::{
    ffi::OsString,
    fmt::Write as _,
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use clap::{Args, ValueEnum};
use portlab::{
    abi::exports,
    debugger::symbols,
    pe::{Binding, Image, ImportName},
};

use super::{exit::Exit, run::refuse};

/// Starts gdb on a run of a driver, with the driver's functions and source lines: `break src/io.rs:120`, `bt`, `list`, `next`
#[derive(Debug, Args)]
#[command(
    after_help = "gdb reads no PDB: portlab translates its lines and functions, and the image's unwind information, to DWARF, \
    and loads that when the driver is mapped. Parameters, variables and types are not translated.\n\nThe driver's registers are \
    emulated behind page faults, which gdb passes on in silence. A `next` or `step` over an instruction that accesses a register \
    runs on to the next breakpoint: set one behind it.\n\nExample:\n  portlab debug --stop none --command 'break src/io.rs:120' \
    ferronvme.sys --device lab:nvme"
)]
pub(super) struct Debug {
    /// Where to stop first
    #[arg(long, value_enum, default_value_t = Stop::Entry)]
    stop: Stop,
    /// A command for gdb: at `DriverEntry`, or with `--stop violation` and `--stop none` before the driver runs; may be repeated
    #[arg(long = "command", value_name = "COMMAND")]
    commands: Vec<String>,
    /// Run gdb without a prompt: it ends with its commands, and with the run's exit status if that has ended
    #[arg(long)]
    batch: bool,
    /// The driver, and the options of `portlab run`
    #[arg(
        value_name = "DRIVER.sys",
        required = true,
        num_args = 1..,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    run: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stop {
    /// At `DriverEntry`
    Entry,
    /// Whenever a rule is broken, in the driver's function that broke it
    Violation,
    /// Nowhere, but for what the commands say
    None,
}

/// Commands of the script that gdb begins with. `{}` is a path.
const HEAD: &str = "\
set pagination off
set confirm off
set print thread-events off
set breakpoint pending on
handle SIGSEGV nostop noprint pass
handle SIGBUS nostop noprint pass
handle SIGUSR1 nostop noprint pass
handle SIGUSR2 nostop noprint pass
";

/// Commands in gdb's Python that the script needs: going to the driver's innermost frame.
const PYTHON: &str = r#"python
import atexit, gdb, os, shutil

atexit.register(shutil.rmtree, os.path.dirname(FERRO_SYMBOLS), True)

def ferro_driver_frame():
    frame = gdb.newest_frame()
    while frame is not None:
        sal = frame.find_sal()
        if sal.symtab is not None and sal.symtab.objfile.filename == FERRO_SYMBOLS:
            frame.select()
            return frame
        frame = frame.older()
    return None

FERRO_ENDED = [0]

def ferro_ended(event):
    # No exit code: a signal has killed it.
    FERRO_ENDED[0] = getattr(event, "exit_code", 3)

gdb.events.exited.connect(ferro_ended)

class FerroDriver(gdb.Command):
    """Select the driver's innermost frame, wherever in the lab the run has stopped."""
    def __init__(self):
        super().__init__("ferro-driver", gdb.COMMAND_STACK)
    def invoke(self, argument, from_tty):
        if ferro_driver_frame() is None:
            raise gdb.GdbError("no frame of the driver on this stack")
        gdb.execute("frame")

class FerroRule(gdb.Command):
    """Tell which rule was broken, when the run has stopped for it, and select the driver's innermost frame."""
    def __init__(self):
        super().__init__("ferro-rule", gdb.COMMAND_STACK)
    def invoke(self, argument, from_tty):
        address, text = int(gdb.parse_and_eval("$rdi")), bytearray()
        while len(text) < 4096:
            byte = gdb.selected_inferior().read_memory(address + len(text), 1)[0]
            if byte == b"\0":
                break
            text += byte
        print("rule broken: " + text.decode("utf-8", "replace"))
        if ferro_driver_frame() is not None:
            gdb.execute("frame")

FerroDriver()
FerroRule()
end
"#;

impl Debug {
    /// Becomes gdb; returns only if it cannot.
    pub(super) fn run(self) -> Exit {
        let Some(driver) = self.run.first().map(PathBuf::from) else {
            return refuse(&"give the path of a .sys file");
        };
        let prepared = prepare(&driver).and_then(|(directory, entry)| {
            let script = self.script(&directory.join("driver.symbols"), entry);
            let path = directory.join("commands.gdb");
            fs::write(&path, script)?;
            Ok(path)
        });
        let script = match prepared {
            Ok(script) => script,
            Err(error) => return refuse(&error),
        };
        let lab = match std::env::current_exe() {
            Ok(lab) => lab,
            Err(error) => return refuse(&error),
        };
        let mut gdb = Command::new("gdb");
        gdb.arg("-quiet").arg("-nx").args(self.batch.then_some("-batch"));
        gdb.arg("-x").arg(script).arg("--args").arg(lab);
        gdb.arg("run").arg("--debugged").args(&self.run);
        // Only returns if there is no gdb.
        let error = gdb.exec();
        refuse(&format_args!("gdb: {error}; install it (Debian's package gdb)"))
    }

    fn script(&self, symbols: &Path, entry: usize) -> String {
        let symbols = symbols.display();
        let mut script = String::from(HEAD);
        // Writing to a String cannot fail.
        let _ = write!(script, "python FERRO_SYMBOLS = r'{symbols}'\n{PYTHON}");
        script.push_str("break *portlab_driver_loaded\nrun\n");
        // The first argument of the System V convention.
        let _ = writeln!(
            script,
            "set $driver = $rdi\nadd-symbol-file {symbols} -o $driver\ndelete 1"
        );
        match self.stop {
            Stop::Entry => {
                let _ = writeln!(script, "tbreak *($driver + {entry:#x})");
            }
            Stop::Violation => {
                script.push_str("break *portlab_rule_broken\ncommands\nsilent\nferro-rule\nend\n");
            }
            Stop::None => {}
        }
        if self.stop == Stop::Entry || self.commands.is_empty() {
            script.push_str("continue\n");
        }
        for command in &self.commands {
            script.push_str(command);
            script.push('\n');
        }
        if self.batch {
            // The run's own exit status, if it has ended; gdb's would be 0.
            script.push_str("python gdb.execute('quit ' + str(FERRO_ENDED[0]))\n");
        }
        script
    }
}

/// Makes the symbols, in a directory of their own that gdb's Python removes when gdb ends; and where the image's entry
/// point is.
fn prepare(driver: &Path) -> Result<(PathBuf, usize), Box<dyn std::error::Error>> {
    let mut resolve = |name: &ImportName| exports::resolve(&name.module, &name.symbol).map(Binding::Function);
    let image = Image::load(driver, &mut resolve)?;
    let directory = tempfile::Builder::new().prefix("portlab-debug-").tempdir()?;
    symbols::write(&image, &directory.path().join("driver.symbols"))?;
    Ok((directory.keep(), image.entry().addr() - image.range().start))
}
