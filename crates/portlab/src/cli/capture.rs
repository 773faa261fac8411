//! `portlab capture`: a running adapter as a debugger finds it, for checks of a debugger's commands.

use std::{path::PathBuf, sync::Arc, time::Duration};

use base64ct::{Base64, Encoding as _};
use clap::Args;
use nvme_controller::fault::Kind;
use portlab::{
    device::{OpenError, Powered, in_process::InProcessNvme, spec::DeviceSpec},
    model::{self, AdapterParameters, Address, Direction, EngineKind, Request},
    package::parameters,
    workload::{
        cdb::{self, Form},
        progress::Silent,
    },
};
use serde::Serialize;

use super::{
    bench::{Bench, BenchError, Setup},
    exit::Exit,
    report,
    run::{conclude, refuse},
};

/// How long the machine may take to come to the state that is captured.
const PATIENCE: Duration = Duration::from_secs(20);
/// When Storport would reset for a request that does not come back: not before the capture.
const TIMEOUT: Duration = Duration::from_mins(2);
/// Blocks of a namespace that shrinks, so that the driver has work for its worker.
const SHRUNK: u64 = 4096;
const BLOCK: u32 = 512;

/// Starts a driver on the lab's own controller, holds requests at the controller and work items in their queue, and writes down the
/// driver's memory beside what the lab knows of it
#[derive(Debug, Args)]
#[command(
    after_help = "The file is JSON: `regions` with address and bytes (Base64), and `known`: what is in flight, the workers, \
                  the controller's queues. Reads and UNMAPs are never completed by the controller until the capture is made; then the bus \
                  is reset, and the adapter is removed under the usual rules."
)]
pub(super) struct Capture {
    /// The driver
    #[arg(value_name = "DRIVER.sys")]
    driver: PathBuf,
    /// The INF whose registry values Storport reads [default: the one beside the driver with its name]
    #[arg(long, value_name = "FILE")]
    inf: Option<PathBuf>,
    /// Where to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Virtual processors
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=64))]
    processors: u32,
    /// Reads that are in flight
    #[arg(long, default_value_t = 21, value_parser = clap::value_parser!(u32).range(1..=128))]
    requests: u32,
    /// UNMAPs that are in flight: each is a request that takes several commands, at most one at a time
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=8))]
    unmaps: u32,
    /// Seed of everything that is left to chance
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[derive(Debug, Serialize)]
struct Written {
    image: String,
    regions: Vec<Region>,
    known: Known,
}

#[derive(Debug, Serialize)]
struct Region {
    what: &'static str,
    address: String,
    length: usize,
    bytes: String,
}

/// What the lab knows, and not from the driver's memory.
#[derive(Debug, Serialize)]
struct Known {
    /// Of Storport's model.
    extension: String,
    channels: u32,
    messages: u16,
    in_flight: Vec<InFlight>,
    workers: Vec<Worker>,
    /// Of the controller.
    submission_queues: Vec<Queue>,
    commands_kept: u64,
}

#[derive(Debug, Serialize)]
struct InFlight {
    srb: String,
    path: u8,
    target: u8,
    lun: u8,
    processor: u32,
    bytes: u32,
    cdb: String,
}

#[derive(Debug, Serialize)]
struct Worker {
    handle: String,
    queued: bool,
    running: u32,
}

#[derive(Debug, Serialize)]
struct Queue {
    id: u16,
    entries: u32,
    tail: u32,
}

/// As a debugger prints bytes.
fn spaced(bytes: &[u8]) -> String {
    let all: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    all.join(" ")
}

fn hexadecimal(address: u64) -> String {
    format!("{address:#x}")
}

impl Capture {
    /// Captures.
    pub(super) fn run(self) -> Exit {
        let inf = self
            .inf
            .clone()
            .or_else(|| Some(self.driver.with_extension("inf")).filter(|path| path.is_file()));
        let registry = match inf.as_deref().map(parameters::read).transpose() {
            Ok(registry) => registry.unwrap_or_else(|| AdapterParameters {
                msi_supported: true,
                ..AdapterParameters::default()
            }),
            Err(error) => return refuse(&error),
        };
        let (spec, device) = match Self::device(self.seed) {
            Ok(opened) => opened,
            Err(error) => return refuse(&error),
        };
        let setup = Setup {
            driver: self.driver.clone(),
            device: spec,
            registry,
            processors: self.processors,
            seed: self.seed,
            allocation_failures: None,
            engine: EngineKind::Parallel,
            observer: None,
        };
        let mut bench = match Bench::put(Arc::clone(&device) as Arc<dyn Powered>, setup) {
            Ok(bench) => bench,
            Err(error) => return refuse(&error),
        };
        let captured = self.come_to_it(&mut bench, &device);
        bench.lab().hold_work_items(false);
        // What the controller keeps comes back by this; the driver is to be seen removing itself in order.
        let _ = bench.lab().reset_bus(0);
        let removed = bench.remove();
        bench.observe();
        let failure = captured.and_then(|written| {
            removed?;
            report::write(&self.out, &written).map_err(|error| BenchError::Unmet(error.to_string()))?;
            println!(
                "capture    {} request(s) in flight, {} worker(s), {} region(s): {}",
                written.known.in_flight.len(),
                written.known.workers.len(),
                written.regions.len(),
                self.out.display()
            );
            Ok(())
        });
        conclude(&bench.observed, failure.err().as_ref())
    }

    fn device(seed: u64) -> Result<(DeviceSpec, Arc<InProcessNvme>), BenchError> {
        let spec: DeviceSpec = "lab:nvme,size=64M,namespaces=2"
            .parse()
            .map_err(|error| BenchError::Unmet(format!("{error}")))?;
        let DeviceSpec::LabNvme(own) = &spec else {
            return Err(BenchError::Unmet("the lab's own controller is meant".to_owned()));
        };
        let device = InProcessNvme::open(own, seed).map_err(OpenError::from)?;
        Ok((spec, Arc::new(device)))
    }

    /// Reads and UNMAPs in flight, one work item queued, nothing else going on.
    fn come_to_it(&self, bench: &mut Bench, device: &InProcessNvme) -> Result<Written, BenchError> {
        bench.start(&Silent)?;
        let lab = bench.lab();
        // A reset, so that the adapter has something to tell.
        if !lab.reset_bus(0).success {
            return Err(BenchError::Unmet("the bus reset failed".to_owned()));
        }
        let unit = Address {
            path: 0,
            target: 0,
            lun: 0,
        };
        // Answered once the controller is up again.
        let ready = || lab.execute(self.read(lab, unit, 0, 0)).is_success();
        if !(0..100).any(|_| ready()) {
            return Err(BenchError::Unmet(
                "no read succeeds after the bus reset".to_owned(),
            ));
        }
        let losses = "lose-completion,opcode=io:0x02,times=all;lose-completion,opcode=io:0x09,times=all"
            .parse()
            .map_err(|error| BenchError::Unmet(format!("{error}")))?;
        lab.hold_work_items(true);
        device.with_controller(|controller| {
            *controller.plan() = losses;
            controller.resize(2, SHRUNK);
        });
        for number in 0..self.requests {
            let lun = u8::from(number % 3 == 2);
            let blocks = 1 + number % 8;
            let request = self.read(lab, Address { lun, ..unit }, number, blocks);
            lab.submit(request, Box::new(|_| ()));
        }
        for number in 0..self.unmaps {
            let lun = u8::from(number % 2 == 1);
            lab.submit(
                self.unmap(lab, Address { lun, ..unit }, number)?,
                Box::new(|_| ()),
            );
        }
        let wanted = self.requests + self.unmaps;
        let at_rest = || {
            let kept = device.injected(Kind::LoseCompletion);
            lab.in_flight().len() == wanted as usize
                && kept == u64::from(wanted)
                && lab.workers().iter().any(|worker| worker.queued)
        };
        if !lab.wait_until(PATIENCE, &mut || at_rest()) {
            return Err(BenchError::Unmet(format!(
                "{} of {wanted} request(s) are in flight, workers: {:?}",
                lab.in_flight().len(),
                lab.workers()
            )));
        }
        // What the driver does besides comes to its end.
        std::thread::sleep(Duration::from_millis(300));
        let captured = lab
            .capture()
            .map_err(|error| BenchError::Unmet(format!("its memory cannot be read: {error}")))?;
        Ok(Self::written(captured, device))
    }

    fn read(&self, lab: &model::Lab, address: Address, number: u32, blocks: u32) -> Request {
        let blocks = blocks.max(1);
        Request {
            processor: number % self.processors,
            address,
            cdb: cdb::read(Form::Ten, u64::from(number) * 8, blocks),
            direction: Direction::In,
            buffer: lab.buffer((blocks * BLOCK) as usize).ok(),
            timeout: TIMEOUT,
        }
    }

    fn unmap(&self, lab: &model::Lab, address: Address, number: u32) -> Result<Request, BenchError> {
        let list = cdb::unmap_list(u64::from(number) * 8, 8);
        let buffer = lab
            .buffer(list.len())
            .map_err(|error| BenchError::Unmet(error.to_string()))?;
        buffer.write(0, &list);
        Ok(Request {
            processor: number % self.processors,
            address,
            cdb: cdb::unmap(u16::try_from(list.len()).unwrap_or(u16::MAX)),
            direction: Direction::Out,
            buffer: Some(buffer),
            timeout: TIMEOUT,
        })
    }

    fn written(captured: model::Capture, device: &InProcessNvme) -> Written {
        let regions = captured.regions.into_iter().map(|region| Region {
            what: region.what,
            address: hexadecimal(region.address),
            length: region.bytes.len(),
            bytes: Base64::encode_string(&region.bytes),
        });
        let in_flight = captured.in_flight.into_iter().map(|request| InFlight {
            srb: hexadecimal(request.srb),
            path: request.address.path,
            target: request.address.target,
            lun: request.address.lun,
            processor: request.processor,
            bytes: request.bytes,
            cdb: spaced(&request.cdb),
        });
        let workers = captured.workers.into_iter().map(|worker| Worker {
            handle: hexadecimal(worker.handle),
            queued: worker.queued,
            running: worker.running,
        });
        let commands_kept = device.injected(Kind::LoseCompletion);
        device.with_controller(|controller| Written {
            image: hexadecimal(captured.image),
            regions: regions.collect(),
            known: Known {
                extension: hexadecimal(captured.extension),
                channels: captured.channels,
                messages: captured.messages,
                in_flight: in_flight.collect(),
                workers: workers.collect(),
                submission_queues: controller
                    .submission_queues()
                    .map(|(id, entries, tail)| Queue { id, entries, tail })
                    .collect(),
                commands_kept,
            },
        })
    }
}
