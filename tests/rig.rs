//! The packaged driver on a device of its own.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use portlab::{
    device::{Device, qemu::QemuDevice, spec::QemuSpec},
    model::{Address, Direction, Lab, LabOptions, Outcome, Request, SrbForm, Statistics},
    package::{Package, parameters},
    workload::{
        lab_disk::LabDisk,
        progress::Silent,
        startup::{self, Startup},
        transfer::{self, Incident, Options, Phase, Source, Traffic, TrafficError},
    },
};

/// Virtual processors of a rig that does not say otherwise.
const PROCESSORS: u32 = 2;

/// What to put on the bench.
pub struct Setup {
    /// The driver.
    pub package: Package,
    /// The device, for reports and as a driver meets it.
    pub device: Arc<dyn Device>,
    /// The emulator behind it.
    pub emulator: Arc<QemuDevice>,
    /// Virtual processors.
    pub processors: u32,
    /// Seed of what the lab chooses.
    pub seed: u64,
    /// The form of the SRBs.
    pub srb_form: SrbForm,
}

impl Setup {
    /// A package on an emulated device, with the usual processors.
    ///
    /// # Panics
    /// If the device does not come up.
    #[must_use]
    pub fn new(package: Package, device: &QemuSpec) -> Self {
        let emulator = Arc::new(QemuDevice::open(device).unwrap_or_else(|error| panic!("{error}")));
        Self {
            package,
            device: Arc::clone(&emulator) as Arc<dyn Device>,
            emulator,
            processors: PROCESSORS,
            seed: 0,
            srb_form: SrbForm::AsDriverAsks,
        }
    }
}

/// A device with the packaged driver loaded.
pub struct Rig {
    /// The device.
    pub device: Arc<QemuDevice>,
    /// The lab.
    pub lab: Lab,
    processors: u32,
}

/// Reads the options of `qemu:nvme`.
///
/// # Panics
/// If they are wrong.
#[must_use]
pub fn spec(options: &str) -> QemuSpec {
    let text = format!("qemu:nvme,ram=256M,{options}");
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

impl Rig {
    /// Switches a device on, lets `before` do something to it as firmware would, and loads the driver.
    ///
    /// # Panics
    /// If there is no package, or nothing can be brought up.
    #[must_use]
    pub fn load(options: &str, before: impl FnOnce(&QemuDevice)) -> Self {
        let setup = Setup::new(crate::package(), &spec(options));
        before(&setup.emulator);
        Self::put(setup)
    }

    /// Loads a driver.
    ///
    /// # Panics
    /// If it cannot be loaded.
    #[must_use]
    pub fn put(setup: Setup) -> Self {
        let mut options = LabOptions::new(setup.package.driver, setup.device);
        options.processors = setup.processors;
        options.seed = setup.seed;
        options.srb_form = setup.srb_form;
        options.registry = parameters::read(&setup.package.inf).unwrap_or_else(|error| panic!("{error}"));
        let lab = Lab::load(options).unwrap_or_else(|error| panic!("{error}"));
        Self {
            device: setup.emulator,
            lab,
            processors: setup.processors,
        }
    }

    /// As [`Self::load`], and starts the adapter.
    ///
    /// # Panics
    /// If the adapter does not start.
    #[must_use]
    pub fn start(options: &str) -> Self {
        Self::load(options, |_| {}).started()
    }

    /// Starts the adapter.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn started(self) -> Self {
        let rig = self;
        rig.lab
            .start()
            .unwrap_or_else(|error| panic!("{error}: {:#?}", rig.lab.debug_log()));
        rig
    }

    /// The lab as a disk.
    #[must_use]
    pub fn disk(&self) -> LabDisk<'_> {
        LabDisk::new(&self.lab, self.processors)
    }

    /// Sends the start-up commands and insists on right answers.
    ///
    /// # Panics
    /// If an answer is wrong.
    #[must_use]
    pub fn startup(&self) -> Startup {
        let startup = startup::run(&self.disk(), &Silent);
        let wrong: Vec<_> = startup.failures().collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        startup
    }

    /// Verified traffic on the first disk.
    ///
    /// # Errors
    /// As [`transfer::run`].
    ///
    /// # Panics
    /// If there is no disk, or no data.
    pub fn traffic(
        &self,
        startup: &Startup,
        source: &Source,
        incidents: Vec<(Phase, u32, Incident<'_>)>,
    ) -> Result<Traffic, TrafficError> {
        let options = Options {
            incidents,
            ..Options::quiet(11)
        };
        self.traffic_with(startup, source, &options)
    }

    /// As [`Self::traffic`], as the options say.
    ///
    /// # Errors
    /// As [`transfer::run`].
    ///
    /// # Panics
    /// If there is no disk.
    pub fn traffic_with(
        &self,
        startup: &Startup,
        source: &Source,
        options: &Options<'_>,
    ) -> Result<Traffic, TrafficError> {
        let unit = startup.disks().next().expect("a disk");
        transfer::run(&self.disk(), unit, source, options, &Silent)
    }

    /// One command without data.
    #[must_use]
    pub fn command(&self, cdb: Vec<u8>) -> Outcome {
        self.lab.execute(Request {
            processor: 0,
            address: Address::default(),
            cdb,
            direction: Direction::None,
            buffer: None,
            timeout: Duration::from_secs(10),
        })
    }

    /// Waits until the counters satisfy `condition`.
    ///
    /// # Panics
    /// If they do not within ten seconds.
    pub fn await_statistics(&self, what: &str, condition: impl Fn(&Statistics) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let statistics = self.lab.statistics();
            if condition(&statistics) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{what} did not happen: {statistics:#?}"
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Removes the adapter and insists that nothing leaked and no rule was broken.
    ///
    /// # Panics
    /// If something did.
    pub fn finish(self) {
        let removal = self.lab.remove();
        assert!(removal.clean, "{removal:#?}");
        self.insist_on_rules();
    }

    /// Insists that no rule was broken so far.
    ///
    /// # Panics
    /// If one was.
    pub fn insist_on_rules(&self) {
        assert!(
            self.lab.bug_check().is_none(),
            "{:#?}\n{:#?}",
            self.lab.bug_check(),
            self.lab.debug_log()
        );
        let violations = self.lab.violations();
        assert!(
            violations.is_empty(),
            "{violations:#?}\n{:#?}\n{:#?}\n{:#?}",
            self.lab.event_log(),
            self.lab.statistics(),
            self.lab.debug_log()
        );
    }
}

/// `length` bytes of the repository's own files.
///
/// # Panics
/// If they cannot be read.
#[must_use]
pub fn source(length: u64) -> Source {
    Source::take(&crate::repository().join("crates"), length).unwrap_or_else(|error| panic!("{error}"))
}
