//! What kind of controller it is.

use std::time::Duration;

/// The largest queue that the registers can describe.
pub const MOST_ENTRIES: u32 = 65_536;

/// The controller that is wanted. [`Config::default`] is an ordinary one.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is an offer of its own")]
pub struct Config {
    /// Serial number, at most 20 ASCII characters.
    pub serial: String,
    /// Model number, at most 40.
    pub model: String,
    /// Firmware revision, at most 8.
    pub firmware: String,
    /// PCI vendor and subsystem vendor id.
    pub vendor: u16,
    /// I/O queue pairs offered.
    pub queues: u16,
    /// Entries of the largest queue: CAP.MQES + 1, at least 2.
    pub entries: u32,
    /// MDTS: the largest transfer is 4 KiB shifted left by that; 0 is no limit.
    pub mdts: u8,
    /// Interrupt vectors.
    pub vectors: u16,
    /// Doorbell stride: 4 bytes shifted left by that.
    pub stride: u8,
    /// CAP.TO, in units of 500 ms.
    pub timeout: u8,
    /// From CC.EN to CSTS.RDY, both ways.
    pub ready_delay: Duration,
    /// From fetching a command to executing it.
    pub latency: Duration,
    /// Whether there is a volatile write cache.
    pub write_cache: bool,
    /// Whether Doorbell Buffer Config is offered.
    pub shadow_doorbells: bool,
    /// Whether SGLs are offered.
    pub sgls: bool,
    /// Whether blocks can be deallocated: Dataset Management is offered, and namespaces are thinly provisioned.
    pub thin: bool,
    /// Whether it offers what manages the device: Security Send and Receive, firmware download, Sanitize.
    pub management: bool,
    /// How long Sanitize takes.
    pub sanitize_time: Duration,
    /// What decides which blocks of the write cache survive a power cut.
    pub seed: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            serial: "FERROPORT0".to_owned(),
            model: "Ferroport NVMe model".to_owned(),
            firmware: "1.0".to_owned(),
            vendor: 0x1b36,
            queues: 64,
            entries: 2048,
            mdts: 8,
            vectors: 65,
            stride: 0,
            timeout: 15,
            ready_delay: Duration::from_micros(200),
            latency: Duration::ZERO,
            write_cache: true,
            shadow_doorbells: false,
            sgls: false,
            thin: true,
            management: true,
            sanitize_time: Duration::from_millis(300),
            seed: 1,
        }
    }
}
