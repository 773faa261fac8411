//! The `lifecycle` miniport on a device of its own.

use std::{
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use portlab::{
    device::{Device, scratch::ScratchDevice},
    model::{AdapterParameters, Address, Direction, Lab, LabOptions, Request},
};

/// What `SCRIPT` may say.
pub(crate) const FAIL_INITIALIZE: u32 = 1;
pub(crate) const FAIL_PASSIVE: u32 = 2;
pub(crate) const LINGER: u32 = 4;
const SCRIPT: u64 = 0x00;

/// Counters.
pub(crate) const BEGUN: u64 = 0x10;
pub(crate) const ENDED: u64 = 0x14;
pub(crate) const TIMERS: u64 = 0x18;
pub(crate) const DPCS: u64 = 0x1C;
pub(crate) const FOUND: u64 = 0x20;
pub(crate) const REMOVED: u64 = 0x24;

/// Orders.
pub(crate) const QUEUE: u8 = 1;
pub(crate) const START_TIMER: u8 = 2;
pub(crate) const CANCEL_TIMER: u8 = 3;
pub(crate) const START_PERIODIC: u8 = 4;
pub(crate) const CLOSE_PERIODIC: u8 = 5;
pub(crate) const ISSUE_DPC: u8 = 6;

pub(crate) struct Bench {
    pub(crate) device: Arc<ScratchDevice>,
    pub(crate) lab: Lab,
}

impl Bench {
    /// The driver is loaded and not started.
    pub(crate) fn load() -> Self {
        let driver: PathBuf = ferronvme_tests::repository().join("target/driver/lifecycle/lifecycle.sys");
        assert!(
            driver.exists(),
            "no {}: run ./x build-lifecycle",
            driver.display()
        );
        let device = Arc::new(ScratchDevice::new().expect("memory for a device"));
        let mut options = LabOptions::new(driver, Arc::clone(&device) as Arc<dyn Device>);
        options.registry = AdapterParameters {
            msi_supported: true,
            ..AdapterParameters::default()
        };
        let lab = Lab::load(options).unwrap_or_else(|error| panic!("{error}"));
        Self { device, lab }
    }

    pub(crate) fn start() -> Self {
        let bench = Self::load();
        bench.lab.start().unwrap_or_else(|error| panic!("{error}"));
        bench
    }

    pub(crate) fn script(&self, flags: u32) {
        self.device.set_register(SCRIPT, flags);
    }

    pub(crate) fn count(&self, counter: u64) -> u32 {
        self.device.register(counter)
    }

    /// Gives an order; true if it was done.
    pub(crate) fn order(&self, order: u8, argument: u8) -> bool {
        let request = Request {
            processor: 0,
            address: Address::default(),
            cdb: vec![0xC0, order, argument, 0, 0, 0],
            direction: Direction::None,
            buffer: None,
            timeout: Duration::from_secs(10),
        };
        self.lab.execute(request).is_success()
    }

    /// Waits until a counter has a value.
    pub(crate) fn wait(&self, counter: u64, least: u32) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.count(counter) < least {
            assert!(
                Instant::now() < deadline,
                "counter {counter:#x} is {}",
                self.count(counter)
            );
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Payloads that have ended.
    pub(crate) fn dropped(&self) -> usize {
        let log = self.lab.debug_log();
        log.iter().filter(|line| line.contains("payload dropped")).count()
    }

    /// Removes the adapter and insists that nothing is left and no rule was broken.
    pub(crate) fn remove(&self) {
        let removal = self.lab.remove();
        self.insist_on_rules();
        assert!(removal.clean, "{removal:#?}");
        assert_eq!(self.lab.outstanding(), 0);
    }

    pub(crate) fn insist_on_rules(&self) {
        assert!(self.lab.bug_check().is_none(), "{:#?}", self.lab.bug_check());
        assert!(self.lab.violations().is_empty(), "{:#?}", self.lab.violations());
    }
}
