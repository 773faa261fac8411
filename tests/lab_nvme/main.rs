//! The packaged driver on the lab's own controller: as well as on QEMU's, and while that controller misbehaves.

mod fallbacks;
mod faults;
mod management;
mod same_answers;
mod shadow;
mod telling;

use std::{sync::Arc, time::Duration};

use ferronvme_tests::rig::source;
use portlab::{
    device::{self, Device, Powered},
    model::{Lab, LabOptions},
    package::parameters,
    workload::{
        lab_disk::LabDisk,
        progress::Silent,
        startup::{self, Startup},
        transfer::{self, Incident, Options, Phase, Traffic},
    },
};

const PROCESSORS: u32 = 2;

/// The packaged driver, started on a device.
struct Bench {
    device: Arc<dyn Powered>,
    lab: Lab,
}

impl Bench {
    fn start(device: &str) -> Self {
        let bench = Self::load(device);
        bench
            .lab
            .start()
            .unwrap_or_else(|error| panic!("{error}: {:#?}", bench.lab.debug_log()));
        bench
    }

    /// The lab, after a start that the driver refused.
    fn refused(device: &str) -> Lab {
        let bench = Self::load(device);
        assert!(bench.lab.start().is_err(), "the driver starts on {device}");
        bench.lab
    }

    fn load(device: &str) -> Self {
        let package = ferronvme_tests::package();
        let spec = device.parse().unwrap_or_else(|error| panic!("{device}: {error}"));
        let device = device::open(&spec, 1).unwrap_or_else(|error| panic!("{error}"));
        let mut options = LabOptions::new(package.driver, Arc::clone(&device) as Arc<dyn Device>);
        options.processors = PROCESSORS;
        options.registry = parameters::read(&package.inf).unwrap_or_else(|error| panic!("{error}"));
        let lab = Lab::load(options).unwrap_or_else(|error| panic!("{error}"));
        Self { device, lab }
    }

    fn disk(&self) -> LabDisk<'_> {
        LabDisk::new(&self.lab, PROCESSORS)
    }

    fn startup(&self) -> Startup {
        let startup = startup::run(&self.disk(), &Silent);
        let wrong: Vec<_> = startup.failures().collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        startup
    }

    /// Verified traffic on the first disk, 32 requests in flight; one that takes longer than a second is reset away.
    fn traffic(&self, bytes: u64, incidents: Vec<(Phase, u32, Incident<'_>)>) -> Traffic {
        self.traffic_at(32, bytes, incidents)
    }

    /// The same with that many requests in flight.
    fn traffic_at(&self, depth: usize, bytes: u64, incidents: Vec<(Phase, u32, Incident<'_>)>) -> Traffic {
        let startup = self.startup();
        let unit = startup.disks().next().expect("a disk");
        let options = Options {
            depth,
            incidents,
            timeout: Duration::from_secs(1),
            ..Options::quiet(3)
        };
        transfer::run(&self.disk(), unit, &source(bytes), &options, &Silent)
            .unwrap_or_else(|error| panic!("{error}: {:#?}", self.lab.event_log()))
    }

    fn finish(self) {
        let removal = self.lab.remove();
        assert!(removal.clean, "{removal:#?}");
        let violations = self.lab.violations();
        assert!(
            violations.is_empty(),
            "{violations:#?}\n{:#?}",
            self.lab.event_log()
        );
    }
}

#[test]
fn data_survives_resets_and_is_there_after_power_off() {
    const BYTES: u64 = 8 << 20;
    let bench = Bench::start("lab:nvme,size=16M,namespaces=3,ram=128M");
    assert_eq!(bench.startup().disks().count(), 3);
    let reset = |phase, permille| (phase, permille, Incident::ResetBus);
    let traffic = bench.traffic(BYTES, vec![reset(Phase::Write, 500), reset(Phase::Read, 500)]);
    assert_eq!(traffic.bytes_verified, BYTES);
    assert!(traffic.resets >= 2);
    let device = Arc::clone(&bench.device);
    bench.finish();
    device.power_off().unwrap_or_else(|error| panic!("{error}"));
    let mut written = vec![0; 1 << 20];
    device.read_image(1, 0, &mut written).expect("the image");
    assert!(
        written.iter().any(|byte| *byte != 0),
        "the traffic is on the medium"
    );
    assert_eq!(device.image_length(3), Some(16 << 20));
    assert!(!device.alive());
}

#[test]
fn an_event_wakes_the_work_item() {
    let bench = Bench::start("lab:nvme,size=8M,ram=128M");
    bench.startup();
    bench
        .device
        .raise_smart_event()
        .expect("the controller tells events");
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while bench.lab.statistics().work_items_run == 0 {
        assert!(
            std::time::Instant::now() < deadline,
            "{:#?}",
            bench.lab.statistics()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    bench.finish();
}
