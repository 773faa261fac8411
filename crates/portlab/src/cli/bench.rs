//! A driver on its device, from power-on to removal: what `run` and `demo` share.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use portlab::{
    device::{self, Device, DeviceError, OpenError, Powered, spec::DeviceSpec},
    model::{
        AdapterParameters, Address, AllocationFailures, EngineKind, Lab, LabError, LabOptions, StartError,
    },
    observe::Observer,
    workload::{
        disk::{Disk as _, Function},
        lab_disk::LabDisk,
        progress::Progress,
        properties::Properties,
        startup,
        status::Verdict,
        transfer::{self, Source, TrafficError, source::SourceError},
    },
};

use super::{exit::Exit, report::Observed};

/// How often a FLUSH is tried again.
const RETRIES: u32 = 8;

/// What ends a run before its time.
#[derive(Debug, thiserror::Error)]
pub(super) enum BenchError {
    /// The device did not come up.
    #[error(transparent)]
    Device(#[from] OpenError),
    /// The driver could not be loaded.
    #[error("{path}: {error}", path = driver.display())]
    Load {
        /// The driver.
        driver: PathBuf,
        /// What is wrong with it.
        error: LabError,
    },
    /// The adapter did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// There is no data to write.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The device went away meanwhile.
    #[error("the device is gone: {0}")]
    Gone(String),
    /// The device could not be switched off in order.
    #[error(transparent)]
    PowerOff(#[from] DeviceError),
    /// Start-up commands were answered wrongly.
    #[error("{0} start-up command(s) were answered wrongly")]
    Startup(usize),
    /// There is no disk to write to.
    #[error("the adapter has no disk with capacity")]
    NoDisk,
    /// The traffic went wrong.
    #[error(transparent)]
    Traffic(#[from] TrafficError),
    /// FLUSH or SHUTDOWN failed.
    #[error("{0} failed: {1}")]
    Function(&'static str, String),
    /// Something outlived the adapter.
    #[error("the removal left {0} thing(s) behind")]
    Leaks(usize),
    /// A rule of the command's own was not met.
    #[error("{0}")]
    Unmet(String),
}

impl BenchError {
    /// The status that the process ends with.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Device(_)
            | Self::Source(_)
            | Self::Gone(_)
            | Self::PowerOff(_)
            | Self::Load {
                error: LabError::Image(_) | LabError::Host(_) | LabError::NotAMiniport,
                ..
            }
            | Self::Traffic(TrafficError::TooSmall { .. }) => Exit::Environment,
            Self::Load {
                error: LabError::BugCheck(_),
                ..
            } => Exit::Violation,
            _ => Exit::CheckFailed,
        }
    }
}

/// What to put on the bench.
pub(super) struct Setup {
    pub(super) driver: PathBuf,
    pub(super) device: DeviceSpec,
    pub(super) registry: AdapterParameters,
    pub(super) processors: u32,
    pub(super) seed: u64,
    pub(super) allocation_failures: Option<AllocationFailures>,
    pub(super) engine: EngineKind,
    pub(super) observer: Option<Arc<dyn Observer>>,
}

/// A driver on its device.
pub(super) struct Bench {
    pub(super) device: Arc<dyn Powered>,
    lab: Arc<Lab>,
    processors: u32,
    pub(super) observed: Observed,
}

impl Bench {
    /// Switches the device on and loads the driver.
    pub(super) fn load(setup: Setup) -> Result<Self, BenchError> {
        let device = match setup.engine {
            EngineKind::Parallel => device::open(&setup.device, setup.seed)?,
            EngineKind::Deterministic => device::open_movable(&setup.device, setup.seed)?,
        };
        Self::put(device, setup)
    }

    /// Loads the driver for a device that is on.
    pub(super) fn put(device: Arc<dyn Powered>, setup: Setup) -> Result<Self, BenchError> {
        let mut options = LabOptions::new(setup.driver.clone(), Arc::clone(&device) as Arc<dyn Device>);
        options.processors = setup.processors;
        options.registry = setup.registry;
        options.seed = setup.seed;
        options.allocation_failures = setup.allocation_failures;
        options.engine = setup.engine;
        options.observer = setup.observer;
        let lab = Lab::load(options).map_err(|error| BenchError::Load {
            driver: setup.driver,
            error,
        })?;
        Ok(Self {
            device,
            lab: Arc::new(lab),
            processors: setup.processors,
            observed: Observed::default(),
        })
    }

    /// Starts the adapter and sends the start-up commands.
    pub(super) fn start(&mut self, progress: &dyn Progress) -> Result<(), BenchError> {
        progress.begin("adapter start", 0);
        let started = self.lab.start();
        progress.end();
        started.map_err(|error| self.or_gone(error.into()))?;
        self.observed.adapter = Some(self.lab.limits().into());
        let startup = startup::run(&self.disk(), progress);
        let wrong = startup.failures().count();
        self.observed.startup = Some(startup);
        if wrong > 0 {
            return Err(self.or_gone(BenchError::Startup(wrong)));
        }
        Ok(())
    }

    /// What storage property queries answer.
    pub(super) fn properties(&self) -> Properties {
        let units = self.observed.startup.iter().flat_map(|startup| &startup.units);
        let units: Vec<_> = units.cloned().collect();
        Properties::of(&self.disk(), self.lab.adapter_descriptor(), &units)
    }

    /// Makes verified traffic on the first disk.
    pub(super) fn traffic(
        &mut self,
        source: &Source,
        options: &transfer::Options<'_>,
        progress: &dyn Progress,
    ) -> Result<(), BenchError> {
        let disks = self
            .observed
            .startup
            .as_ref()
            .and_then(|startup| startup.disks().next());
        let unit = disks.ok_or(BenchError::NoDisk)?;
        let traffic = transfer::run(&self.disk(), unit, source, options, progress);
        self.observed.traffic = Some(traffic.map_err(|error| self.or_gone(error.into()))?);
        Ok(())
    }

    /// Capacity of the first disk in bytes.
    pub(super) fn capacity(&self) -> u64 {
        let startup = self.observed.startup.as_ref();
        startup
            .and_then(|startup| startup.disks().next())
            .map_or(0, startup::UnitReport::capacity)
    }

    /// Ends the traffic as Windows does before a removal: FLUSH, then SHUTDOWN, if the adapter caches data.
    pub(super) fn quiesce(&self) -> Result<(), BenchError> {
        if !self.lab.limits().caches_data {
            return Ok(());
        }
        let units = self.observed.startup.iter().flat_map(startup::Startup::disks);
        for unit in units {
            self.function("FLUSH", Function::Flush, unit.unit)?;
            self.function("SHUTDOWN", Function::Shutdown, unit.unit)?;
        }
        Ok(())
    }

    fn function(&self, name: &'static str, function: Function, unit: Address) -> Result<(), BenchError> {
        let mut attempt = 0;
        loop {
            let outcome = self.disk().function(function, unit);
            match outcome.verdict() {
                Verdict::Done => return Ok(()),
                Verdict::Retry(pause) if attempt < RETRIES => {
                    attempt += 1;
                    self.disk().pause(pause);
                }
                _ => return Err(self.or_gone(BenchError::Function(name, outcome.to_string()))),
            }
        }
    }

    /// Removes the adapter and takes down everything that the lab saw.
    pub(super) fn remove(&mut self) -> Result<(), BenchError> {
        let removal = self.lab.remove();
        let left = removal.leaks.len() + removal.outstanding;
        let clean = removal.clean;
        self.observed.removal = Some(removal);
        if clean {
            Ok(())
        } else {
            Err(self.or_gone(BenchError::Leaks(left)))
        }
    }

    /// Takes down what the lab saw.
    pub(super) fn observe(&mut self) {
        self.observed.statistics = Some(self.lab.statistics());
        self.observed.violation_records = self.lab.violations();
        self.observed.warnings = self.lab.warnings();
        self.observed.bug_check = self.lab.bug_check();
        self.observed.event_log = self.lab.event_log();
        self.observed.etw_events = self.lab.etw_events();
        self.observed.etw_events_seen = BTreeMap::new();
        for event in &self.observed.etw_events {
            *self.observed.etw_events_seen.entry(event.id).or_default() += 1;
        }
        self.observed.trace_ring = self.lab.trace_ring();
        self.observed.debug_log = self.lab.debug_log();
        self.observed.allocation_places = self.lab.allocation_places();
        self.observed.events = self.lab.event_hash().map(Into::into);
    }

    /// The lab.
    pub(super) fn lab(&self) -> &Lab {
        &self.lab
    }

    /// The lab, for what happens while the bench makes traffic.
    pub(super) fn shared_lab(&self) -> Arc<Lab> {
        Arc::clone(&self.lab)
    }

    /// The lab as a disk.
    pub(super) fn disk(&self) -> LabDisk<'_> {
        LabDisk::new(&self.lab, self.processors)
    }

    /// A failure after the device went away has that as its cause.
    fn or_gone(&self, error: BenchError) -> BenchError {
        match self.device.gone_reason() {
            Some(reason) if !self.device.alive() => BenchError::Gone(reason),
            _ => error,
        }
    }
}
