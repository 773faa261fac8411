//! The adapter: its registration, its settled configuration, its locks and its phase.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use parking_lot::Mutex;

use super::observation::Observation;
use crate::{
    abi::{
        GuestAddress,
        configuration::{PortConfigurationInformation, SYNCHRONIZE_HALF_DUPLEX},
        entry::Routine,
        performance::perf,
        registration::HwInitializationData,
    },
    engine::{LockName, SpinLock},
    observe::Event,
};

/// Where the adapter is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// `DriverEntry` has not registered anything.
    Unregistered,
    /// Registered, not started.
    Loaded,
    /// Between `FindAdapter` and the end of initialisation.
    Starting,
    /// Takes requests.
    Running,
    /// Given nothing new any more: it is about to be stopped or powered down. Requests wait.
    Quiescing,
    /// Stopped by `ScsiStopAdapter`.
    Stopped,
    /// In D3.
    PoweredDown,
    /// Its device is gone; the removal is still to come.
    Gone,
    /// Its removal requests are on their way.
    Removing,
    /// Gone.
    Removed,
}

impl Phase {
    /// In a word.
    const fn name(self) -> &'static str {
        match self {
            Self::Unregistered => "unregistered",
            Self::Loaded => "loaded",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Removing => "removing",
            Self::Removed => "removed",
            Self::Quiescing => "quiescing",
            Self::PoweredDown => "powered down",
            Self::Gone => "gone",
        }
    }
}

/// What the callbacks and the configuration settled; replaced as a whole.
#[derive(Debug, Clone, Default)]
pub(super) struct Setup {
    pub(super) registration: HwInitializationData,
    pub(super) configuration: PortConfigurationInformation,
    /// Guest address of the `PORT_CONFIGURATION_INFORMATION` while `FindAdapter` or its successors use it.
    pub(super) configuration_address: GuestAddress,
    pub(super) extension: GuestAddress,
    pub(super) hw_context: GuestAddress,
    /// Messages connected; 0 without message-signalled interrupts.
    pub(super) messages: u16,
    /// Whether the line is connected instead.
    pub(super) line: bool,
    pub(super) perf_flags: u32,
    pub(super) channels: u32,
    /// Adapter control types the miniport supports.
    pub(super) adapter_controls: Vec<bool>,
    /// Unit control types the miniport supports.
    pub(super) unit_controls: Vec<bool>,
    pub(super) passive_initialize: Option<Routine>,
    pub(super) bus_type: u32,
    pub(super) uncached: Option<(GuestAddress, usize)>,
    pub(super) extended_srbs: bool,
}

impl Setup {
    /// Whether several requests may be in `HwStorStartIo` at a time.
    pub(super) const fn concurrent(&self) -> bool {
        self.perf_flags & perf::CONCURRENT_CHANNELS != 0 && self.channels > 1
    }

    /// Whether StartIo runs under the interrupt lock.
    pub(super) const fn half_duplex(&self) -> bool {
        self.configuration.synchronization_model == SYNCHRONIZE_HALF_DUPLEX
    }

    /// Whether the miniport supports an adapter control type.
    pub(super) fn supports_adapter_control(&self, kind: u32) -> bool {
        self.adapter_controls.get(kind as usize).copied().unwrap_or(false)
    }

    /// Whether the miniport supports a unit control type.
    pub(super) fn supports_unit_control(&self, kind: u32) -> bool {
        self.unit_controls.get(kind as usize).copied().unwrap_or(false)
    }
}

/// See the module's documentation.
pub(super) struct Adapter {
    observation: Observation,
    pub(super) phase: Mutex<Phase>,
    pub(super) start_io: Arc<SpinLock>,
    pub(super) interrupt: Arc<SpinLock>,
    messages: Vec<Arc<SpinLock>>,
    channels: Vec<Arc<SpinLock>>,
    /// `HwStorResetBus` calls under way, below [`NO_RESETS`].
    resets: AtomicU32,
}

/// The adapter is at rest: it is not reset until it runs again.
const NO_RESETS: u32 = 1 << 31;

impl Adapter {
    /// An adapter that nothing is known of, with locks for as many messages and channels as there may be.
    pub(super) fn new(messages: u16, processors: u32, observation: Observation) -> Self {
        let lock = |name| Arc::new(SpinLock::new(name));
        Self {
            observation,
            phase: Mutex::new(Phase::Unregistered),
            start_io: lock(LockName::StartIo),
            interrupt: lock(LockName::Interrupt),
            messages: (0..u32::from(messages))
                .map(|message| lock(LockName::Message(message)))
                .collect(),
            channels: (0..processors)
                .map(|channel| lock(LockName::Channel(channel)))
                .collect(),
            resets: AtomicU32::new(0),
        }
    }

    /// The lock of one message.
    pub(super) fn message(&self, message: u32) -> Option<&Arc<SpinLock>> {
        self.messages.get(message as usize)
    }

    /// The token of one channel.
    pub(super) fn channel(&self, channel: u32) -> Option<&Arc<SpinLock>> {
        self.channels.get(channel as usize)
    }

    /// The tokens of the first `count` channels.
    pub(super) fn channel_tokens(&self, count: u32) -> &[Arc<SpinLock>] {
        self.channels
            .get(..(count as usize).min(self.channels.len()))
            .unwrap_or(&[])
    }

    /// A reset of the bus begins; false if the adapter is at rest.
    pub(super) fn begin_reset(&self) -> bool {
        let begun = |resets: u32| (resets & NO_RESETS == 0).then(|| resets + 1);
        self.resets
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, begun)
            .is_ok()
    }

    /// It ends.
    pub(super) fn end_reset(&self) {
        self.resets.fetch_sub(1, Ordering::AcqRel);
    }

    /// Lets no reset begin until the adapter runs again; false, and no change, while one is under way.
    pub(super) fn forbid_resets(&self) -> bool {
        let idle = |resets: u32| (resets & !NO_RESETS == 0).then_some(NO_RESETS);
        self.resets
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, idle)
            .is_ok()
    }

    /// Sets the phase.
    pub(super) fn enter(&self, phase: Phase) {
        if phase == Phase::Running {
            self.resets.fetch_and(!NO_RESETS, Ordering::AcqRel);
        }
        *self.phase.lock() = phase;
        self.observation.tell(|| Event::Phase(phase.name()));
    }
}
