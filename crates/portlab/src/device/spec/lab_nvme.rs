//! Options of `lab:nvme`.

use std::time::Duration;

use nvme_controller::{Config, fault::Plan};

use super::{Backing, Options, SpecError, in_range, serial};

/// The lab's own NVMe controller.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct LabNvmeSpec {
    /// Images (`namespaces=` of them), memory, interrupts.
    pub backing: Backing,
    /// `serial=`: serial number reported by Identify Controller.
    pub serial: String,
    /// `mdts=`: Maximum Data Transfer Size as the power of two of 4 KiB pages; 0 means no limit.
    pub mdts: u8,
    /// `queues=`: I/O queue pairs that the controller offers; it has one MSI-X message more unless `vectors=` says so.
    pub queues: u16,
    /// `vectors=`: MSI-X messages.
    pub vectors: Option<u16>,
    /// `entries=`: entries of the largest queue (CAP.MQES and one).
    pub entries: u32,
    /// `timeout=`: milliseconds that becoming ready or not ready may take (CAP.TO), in steps of 500.
    pub timeout: u8,
    /// `latency=`: microseconds from fetching a command to executing it.
    pub latency: Duration,
    /// `cache=`: whether it has a volatile write cache.
    pub cache: bool,
    /// `shadow=`: whether it offers shadow doorbells.
    pub shadow: bool,
    /// `sgls=`: whether it offers SGLs.
    pub sgls: bool,
    /// `thin=`: whether blocks can be deallocated.
    pub thin: bool,
    /// `management=`: whether it offers what manages the device: security protocols, firmware download, Sanitize.
    pub management: bool,
    /// `faults=`: a plan, its conditions separated by `+` instead of commas.
    pub faults: Option<Plan>,
}

impl LabNvmeSpec {
    /// The controller's configuration. `seed` decides what a power cut takes.
    #[must_use]
    pub fn config(&self, seed: u64) -> Config {
        Config {
            serial: self.serial.clone(),
            mdts: self.mdts,
            queues: self.queues,
            vectors: self.vectors.unwrap_or(self.queues + 1),
            entries: self.entries,
            timeout: self.timeout,
            latency: self.latency,
            write_cache: self.cache,
            shadow_doorbells: self.shadow,
            sgls: self.sgls,
            thin: self.thin,
            management: self.management,
            seed,
            ..Config::default()
        }
    }
}

impl Options for LabNvmeSpec {
    const DEVICE: &'static str = "lab:nvme";
    const KEYS: &'static str = "size, image, serial, mdts, block, namespaces, queues, vectors, entries, timeout, latency, \
                                cache, shadow, sgls, thin, management, faults, interrupts, ram";

    fn plain(text: &str) -> Self {
        Self {
            backing: Backing::plain(text, "ns"),
            serial: "FERROPORT0".to_owned(),
            mdts: 8,
            queues: 64,
            vectors: None,
            entries: Config::default().entries,
            timeout: Config::default().timeout,
            latency: Duration::ZERO,
            cache: true,
            shadow: false,
            sgls: false,
            thin: true,
            management: true,
            faults: None,
        }
    }

    fn set(&mut self, key: &str, value: &str) -> Result<bool, SpecError> {
        let bad = |key, expected| SpecError::BadValue {
            key,
            value: value.to_owned(),
            expected,
        };
        let switch = |key| match value {
            "on" => Ok(true),
            "off" => Ok(false),
            _ => Err(bad(key, "on or off")),
        };
        match key {
            "serial" => self.serial = serial(value)?,
            "mdts" => self.mdts = in_range(value, 0..=20).ok_or_else(|| bad("mdts", "0 (no limit) to 20"))?,
            "queues" => self.queues = in_range(value, 1..=512).ok_or_else(|| bad("queues", "1 to 512"))?,
            "vectors" => {
                self.vectors = Some(in_range(value, 1..=513).ok_or_else(|| bad("vectors", "1 to 513"))?);
            }
            "entries" => {
                self.entries = in_range(value, 2..=65_536).ok_or_else(|| bad("entries", "2 to 65536"))?;
            }
            "timeout" => {
                let millis: Option<u32> = in_range(value, 500..=127_500);
                let steps = millis
                    .filter(|millis| millis % 500 == 0)
                    .map(|millis| millis / 500);
                let steps = steps.and_then(|steps| u8::try_from(steps).ok());
                self.timeout = steps.ok_or_else(|| bad("timeout", "500 to 127500, a multiple of 500"))?;
            }
            "latency" => {
                let micros = in_range(value, 0..=10_000_000)
                    .ok_or_else(|| bad("latency", "microseconds, up to 10 s"))?;
                self.latency = Duration::from_micros(micros);
            }
            "cache" => self.cache = switch("cache")?,
            "shadow" => self.shadow = switch("shadow")?,
            "sgls" => self.sgls = switch("sgls")?,
            "thin" => self.thin = switch("thin")?,
            "management" => self.management = switch("management")?,
            "faults" => self.faults = Some(value.replace('+', ",").parse()?),
            _ => return self.backing.set(key, value, "msix", "namespaces"),
        }
        Ok(true)
    }
}
