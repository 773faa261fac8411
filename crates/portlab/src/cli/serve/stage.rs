//! What every front-end needs: the driver started, a socket, an end in order, a report.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    thread,
    time::Duration,
};

use clap::Args;
use drvpkg::{manifest::Flavour, pe::inspect::Inspection};
use portlab::{
    device::spec::DeviceSpec,
    model::{AdapterParameters, EngineKind},
    package::parameters,
    serve::{self, ListenError, Stop},
    workload::disk::Disk as _,
};
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::cli::{
    bench::{Bench, BenchError, Setup},
    console::Console,
    exit::{self, Exit},
    report::{self, Observed},
    run::{conclude, refuse},
};

/// How long commands may go on after the front-end has ended: as long as the slowest of them may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// The driver, its device and the socket
#[derive(Debug, Args)]
pub(super) struct Stage {
    /// The driver
    #[arg(value_name = "DRIVER.sys")]
    pub(super) driver: PathBuf,
    /// The INF whose registry values Storport reads [default: the one beside the driver with its name]
    #[arg(long, value_name = "FILE")]
    inf: Option<PathBuf>,
    /// The device, as for `portlab run`
    #[arg(long, default_value = "qemu:nvme")]
    device: DeviceSpec,
    /// Virtual processors
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    processors: u32,
    /// Seed of everything that is left to chance
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Address and port to listen on; port 0 is any free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Listen on an address that other machines reach
    #[arg(long)]
    allow_remote: bool,
    /// Print where it listens as JSON, and write a report in the end
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Why a front-end did not serve.
#[derive(Debug, thiserror::Error)]
pub(super) enum ServeError {
    /// No socket.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// No Unix socket.
    #[error(transparent)]
    Unix(#[from] portlab::nbd::server::UnixError),
    /// The host refuses.
    #[error(transparent)]
    Host(#[from] io::Error),
    /// The driver.
    #[error(transparent)]
    Bench(#[from] BenchError),
}

/// What a front-end gets.
pub(super) struct Ready<'a> {
    /// The driver, started.
    pub(super) bench: &'a Bench,
    /// The socket.
    pub(super) listener: TcpListener,
    /// Tells when to end.
    pub(super) stop: &'a Stop,
    /// The report is wanted: whatever is printed is for programs.
    pub(super) json: bool,
}

impl Ready<'_> {
    /// Tells that clients may come: a line for people, or an object for programs.
    pub(super) fn announce(&self, front_end: &str, names: &[String]) -> io::Result<()> {
        let address = self.listener.local_addr()?;
        self.announce_at(front_end, address.to_string(), address.port(), names)
    }

    /// Tells the same of a socket that is not [`Self::listener`].
    pub(super) fn announce_at(
        &self,
        front_end: &str,
        address: String,
        port: u16,
        names: &[String],
    ) -> io::Result<()> {
        if self.json {
            let announcement = Announcement {
                event: "listening",
                front_end,
                address,
                port,
                names,
            };
            println!("{}", serde_json::to_string(&announcement)?);
        } else {
            println!("listening  {front_end} on {address}: {}", names.join(", "));
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Announcement<'a> {
    event: &'static str,
    front_end: &'a str,
    address: String,
    port: u16,
    names: &'a [String],
}

/// The report.
#[derive(Debug, Serialize)]
struct ServeReport<S> {
    front_end: &'static str,
    driver: PathBuf,
    driver_sha256: String,
    /// Absent if the driver is no image.
    flavour: Option<Flavour>,
    device: String,
    processors: u32,
    seed: u64,
    ok: bool,
    failure: Option<String>,
    violations: usize,
    /// What the front-end did.
    served: Option<S>,
    #[serde(flatten)]
    observed: Observed,
}

impl Stage {
    /// Starts the driver, lets `serve` serve it, removes it and reports.
    pub(super) fn run<S: Serialize>(
        self,
        front_end: &'static str,
        serve: impl FnOnce(Ready<'_>) -> Result<S, ServeError>,
    ) -> Exit {
        let registry = match self.inf_file().as_deref().map(parameters::read).transpose() {
            // Without its INF a driver gets the interrupts that it was most likely written for.
            Ok(registry) => registry.unwrap_or_else(|| AdapterParameters {
                msi_supported: true,
                ..AdapterParameters::default()
            }),
            Err(error) => return refuse(&error),
        };
        let image = match fs::read(&self.driver) {
            Ok(image) => image,
            Err(error) => {
                return refuse(&format_args!(
                    "{}: {error}; give the path of a .sys file",
                    self.driver.display()
                ));
            }
        };
        // Before the driver is started: who cannot have the socket should not wait for it.
        let listener = match serve::listen(self.listen, self.allow_remote) {
            Ok(listener) => listener,
            Err(error) => return refuse(&error),
        };
        let stop = match Stop::new().and_then(|stop| stop_on_signals(&stop).map(|()| stop)) {
            Ok(stop) => stop,
            Err(error) => return refuse(&error),
        };
        let setup = Setup {
            driver: self.driver.clone(),
            device: self.device.clone(),
            registry,
            processors: self.processors,
            seed: self.seed,
            allocation_failures: None,
            engine: EngineKind::Parallel,
            observer: None,
        };
        serve::give_way();
        let mut served = None;
        let (observed, failure) = match Bench::load(setup) {
            Ok(mut bench) => {
                let result = self.serve(&mut bench, listener, &stop, serve, &mut served);
                let removed = bench.remove();
                bench.observe();
                let failure = result.and(removed.map_err(ServeError::from)).err();
                (std::mem::take(&mut bench.observed), failure)
            }
            Err(error) => (Observed::default(), Some(error.into())),
        };
        if self.json.is_none() {
            observed.print();
        }
        let report = ServeReport {
            front_end,
            driver_sha256: report::hexadecimal(&Sha256::digest(&image)),
            flavour: Inspection::of(&image).ok().map(|inspection| inspection.flavour()),
            driver: self.driver,
            device: self.device.to_string(),
            processors: self.processors,
            seed: self.seed,
            ok: failure.is_none() && !observed.is_violation(),
            failure: failure.as_ref().map(ToString::to_string),
            violations: observed.violation_records.len(),
            served,
            observed,
        };
        if let Some(path) = &self.json
            && let Err(error) = report::write(path, &report)
        {
            return refuse(&error);
        }
        match failure {
            Some(ServeError::Bench(error)) => conclude(&report.observed, Some(&error)),
            Some(error) => refuse(&error),
            None => conclude(&report.observed, None),
        }
    }

    fn serve<S>(
        &self,
        bench: &mut Bench,
        listener: TcpListener,
        stop: &Stop,
        serve: impl FnOnce(Ready<'_>) -> Result<S, ServeError>,
        served: &mut Option<S>,
    ) -> Result<(), ServeError> {
        // Wrong answers are what front-ends are for: they are told in the end.
        let started = match bench.start(&Console::new()) {
            Err(wrong @ BenchError::Startup(_)) => Err(wrong),
            result => Ok(result?),
        };
        let ready = Ready {
            bench,
            listener,
            stop,
            json: self.json.is_some(),
        };
        *served = Some(serve(ready)?);
        let disk = bench.disk();
        disk.wait(PATIENCE, &mut || bench.lab().outstanding() == 0);
        bench.quiesce()?;
        Ok(started?)
    }

    fn inf_file(&self) -> Option<PathBuf> {
        self.inf
            .clone()
            .or_else(|| Some(self.driver.with_extension("inf")).filter(|path| path.is_file()))
    }
}

/// The first signal ends the service in order, the second one at once. The parent's end is a signal, too.
fn stop_on_signals(stop: &Stop) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    set_parent_process_death_signal(Some(Signal::TERM))?;
    let stop = stop.clone();
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut forever = signals.forever();
        if forever.next().is_some() {
            stop.pull();
        }
        if forever.next().is_some() {
            eprintln!("portlab: interrupted twice; the device is switched off");
            signal_hook::low_level::exit(exit::INTERRUPTED);
        }
    })?;
    Ok(())
}
