//! What a lab is made of, and what the adapter says of itself.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use super::allocation_failures::AllocationFailures;
pub use crate::engine::deterministic::Preemption;
use crate::{device::Device, engine::deterministic, observe::Observer};

/// A driver, a device, and the machine around them.
#[derive(Clone)]
pub struct LabOptions {
    /// The `.sys` file.
    pub image: PathBuf,
    /// The device on the bench.
    pub device: Arc<dyn Device>,
    /// Virtual processors, 1 to 64.
    pub processors: u32,
    /// What the INF wrote to the registry.
    pub registry: AdapterParameters,
    /// Seed of everything the lab chooses freely.
    pub seed: u64,
    /// The form of the SRBs.
    pub srb_form: SrbForm,
    /// Which of the driver's allocations fail; none, usually.
    pub allocation_failures: Option<AllocationFailures>,
    /// What runs the machine.
    pub engine: EngineKind,
    /// A rule, by its id, that is not judged: for checks of a check.
    pub without_rule: Option<String>,
    /// How adapters are stopped and restarted.
    pub adapter_controls: AdapterControls,
    /// Where the deterministic engine preempts the driver.
    pub preemption: Preemption,
    /// Events that the deterministic engine keeps, the latest ones.
    pub keep_events: usize,
    /// Who watches; nobody, usually.
    pub observer: Option<Arc<dyn Observer>>,
}

/// Which of the two documented readings of `ScsiStopAdapter` and `ScsiRestartAdapter` is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AdapterControls {
    /// An odd seed follows the one, an even seed the other.
    #[default]
    BySeed,
    /// `HwStorAdapterControl`'s page: at DIRQL, under the interrupt lock.
    Locked,
    /// The spin-lock page and the samples: at `PASSIVE_LEVEL`, no lock held.
    Unlocked,
}

impl LabOptions {
    /// Two processors, an empty registry, seed 0.
    #[must_use]
    pub fn new(image: PathBuf, device: Arc<dyn Device>) -> Self {
        Self {
            image,
            device,
            processors: 2,
            registry: AdapterParameters::default(),
            seed: 0,
            srb_form: SrbForm::AsDriverAsks,
            allocation_failures: None,
            engine: EngineKind::Parallel,
            without_rule: None,
            adapter_controls: AdapterControls::BySeed,
            preemption: Preemption::BySeed,
            keep_events: deterministic::KEPT,
            observer: None,
        }
    }
}

/// An engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EngineKind {
    /// A host thread for each virtual processor, and the host's time.
    #[default]
    Parallel,
    /// One host thread, virtual time: the seed decides everything. The lab is used on the thread that made it, and its device
    /// is one that the engine can move.
    Deterministic,
}

/// Not the name of an engine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("engine: parallel or deterministic")]
pub struct ParseEngineError;

impl std::str::FromStr for EngineKind {
    type Err = ParseEngineError;

    fn from_str(text: &str) -> Result<Self, ParseEngineError> {
        match text {
            "parallel" => Ok(Self::Parallel),
            "deterministic" => Ok(Self::Deterministic),
            _ => Err(ParseEngineError),
        }
    }
}

/// Which form of SRB the driver gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SrbForm {
    /// What `SrbTypeFlags` and `PORT_CONFIGURATION_INFORMATION.SrbType` ask for.
    #[default]
    AsDriverAsks,
    /// `SCSI_REQUEST_BLOCK`, as Windows uses for a driver that asks for nothing else.
    Legacy,
}

/// A registry value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryValue {
    /// `REG_DWORD`.
    Dword(u32),
    /// `REG_QWORD`.
    Qword(u64),
    /// `REG_SZ`.
    Text(String),
    /// `REG_BINARY`.
    Binary(Vec<u8>),
}

/// The registry values of the adapter, as the INF writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterParameters {
    /// `Parameters\BusType`, a `STORAGE_BUS_TYPE`.
    pub bus_type: u32,
    /// `Interrupt Management\MessageSignaledInterruptProperties\MSISupported`.
    pub msi_supported: bool,
    /// `MessageNumberLimit` beside it.
    pub message_number_limit: Option<u32>,
    /// Values of the service's `Parameters` key and of the device's `Device Parameters`, by name; sub-keys as
    /// `Device\Name`.
    pub values: BTreeMap<String, RegistryValue>,
}

impl Default for AdapterParameters {
    /// What Windows assumes without an INF: `BusTypeFibre`, no message-signalled interrupts.
    fn default() -> Self {
        Self {
            bus_type: 6,
            msi_supported: false,
            message_number_limit: None,
            values: BTreeMap::new(),
        }
    }
}

/// What the adapter said of itself, after [`super::Lab::start`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Bytes a request may transfer.
    pub max_transfer: u32,
    /// Alignment of data buffers, minus one.
    pub alignment_mask: u32,
    /// Scatter/gather elements a request may have.
    pub physical_breaks: u32,
    /// Buses.
    pub buses: u8,
    /// Targets per bus.
    pub targets: u8,
    /// Logical units per target.
    pub luns: u8,
    /// Requests the adapter takes at a time.
    pub max_io: u32,
    /// Queue depth of a new logical unit.
    pub initial_lun_depth: u32,
    /// Interrupt messages connected.
    pub messages: u16,
    /// Whether the adapter asks for FLUSH and SHUTDOWN.
    pub caches_data: bool,
    /// `STORAGE_BUS_TYPE`.
    pub bus_type: u32,
}
