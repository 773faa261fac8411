//! The trait that a miniport implements.

use wdk_sys::{_INTERRUPT_SYNCHRONIZATION_MODE as Synchronization, INTERRUPT_SYNCHRONIZATION_MODE};
use zerocopy::{FromBytes, FromZeros};

pub use crate::extension::{SlotCounts, Slots};
use crate::{
    context::{
        AdapterControl, AdapterPower, Configuration, Control, Dpc, Initialize, LineInterrupt,
        MessageInterrupt, PassiveInitialize, ResetBus, StartIo, StateChanged, Timer, UnitControl, UnitPower,
    },
    control::{
        AdapterControls, AdapterEvent, AdapterNotice, AdapterPowerEvent, NotDone, Restored, UnitControls,
        UnitEvent, UnitPowerEvent,
    },
    find_adapter::{FindAdapter, Limits},
    lock::{BelowInterruptLock, Channel, Exclusion, InterruptLock, MessageLock, Running, StartIoLock},
    srb::{Address, Built, Fresh, Preparing, Srb, Started},
    status::CallError,
    version::Windows,
};

mod sealed {
    pub trait Sealed {}
}

/// How interrupts are signalled and synchronised: an argument of [`Miniport::Interrupts`].
pub trait InterruptMode: sealed::Sealed {
    /// What a message routine holds.
    type Exclusion: Exclusion;
    /// Messages are wanted.
    #[doc(hidden)]
    const MESSAGES: bool;
    /// `InterruptSynchronizationMode`.
    #[doc(hidden)]
    const SYNCHRONIZATION: INTERRUPT_SYNCHRONIZATION_MODE;
}

macro_rules! interrupt_modes {
    ($($(#[$meta:meta])* $name:ident($exclusion:ty, $messages:literal, $synchronization:ident);)+) => {
        $(
            $(#[$meta])*
            pub struct $name;
            impl sealed::Sealed for $name {}
            impl InterruptMode for $name {
                type Exclusion = $exclusion;
                const MESSAGES: bool = $messages;
                const SYNCHRONIZATION: INTERRUPT_SYNCHRONIZATION_MODE = Synchronization::$synchronization;
            }
        )+
    };
}

interrupt_modes! {
    /// Line interrupts only: [`Miniport::line_interrupt`], under the interrupt lock. No message routine is registered.
    LineOnly(InterruptLock, false, InterruptSupportNone);
    /// Messages, all under the interrupt lock (`InterruptSynchronizeAll`); a line interrupt if the platform grants no
    /// message.
    SynchronizeAll(InterruptLock, true, InterruptSynchronizeAll);
    /// Messages, each under a lock of its own (`InterruptSynchronizePerMessage`); a line interrupt if the platform grants
    /// no message.
    PerMessage(MessageLock, true, InterruptSynchronizePerMessage);
}

/// How many requests may be in `HwStorStartIo` at once: an argument of [`Miniport::Channels`].
pub trait ChannelMode: sealed::Sealed {
    /// What `HwStorStartIo` excludes.
    type StartIo: Exclusion + Running + BelowInterruptLock;
    /// Concurrent channels may be asked for (`STOR_PERF_CONCURRENT_CHANNELS`).
    const CONCURRENT: bool;
}

/// One request at a time, under the StartIo lock.
pub struct OneChannel;
/// Concurrent channels (`STOR_PERF_CONCURRENT_CHANNELS`): `HwStorStartIo` holds no lock and excludes `HwStorResetBus` only.
/// [`Context::start_io_state`](crate::Context::start_io_state) does not exist in it; it still does in timers, resets and
/// [`with_start_io_lock`](crate::Context::with_start_io_lock).
pub struct ConcurrentChannels;
impl sealed::Sealed for OneChannel {}
impl sealed::Sealed for ConcurrentChannels {}
impl ChannelMode for OneChannel {
    type StartIo = StartIoLock;
    const CONCURRENT: bool = false;
}
impl ChannelMode for ConcurrentChannels {
    type StartIo = Channel;
    const CONCURRENT: bool = true;
}

/// Why `HwStorFindAdapter` found nothing to drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindError {
    /// No adapter here: `SP_RETURN_NOT_FOUND`.
    NotFound,
    /// An adapter, but not usable: `SP_RETURN_ERROR`.
    Error,
    /// The configuration handed in is wrong: `SP_RETURN_BAD_CONFIG`.
    BadConfig,
}

/// An initialisation that failed; the port driver gives the adapter up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InitializeError;

/// Whether an interrupt was the adapter's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Ours.
    Claimed,
    /// Another device's.
    NotMine,
}

/// How a bus reset ended. All SRBs of the path are completed when it is returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetOutcome {
    /// Done.
    Done,
    /// Not possible.
    Failed,
}

/// A Storport miniport.
///
/// The adapter begins as zeroes, is shared by reference between callbacks, has no drop glue, and may be found
/// again (then it is zeroed again after everything outstanding has run down). `'dev` is the adapter's life as one
/// callback sees it: what carries it can be kept in the adapter and nowhere else.
///
/// Required are the types, and the callbacks that only the miniport can answer: finding the adapter, starting a request,
/// resetting, stopping, restarting, removing. The others have defaults that do nothing; which of the interrupt routines is
/// needed follows from [`Self::Interrupts`].
pub trait Miniport: Sized + 'static {
    /// State shared by all callbacks.
    type Adapter<'dev>: FromZeros + Send + Sync;
    /// State reached only where the StartIo lock is held.
    type StartIoState<'dev>: FromZeros + Send;
    /// State that belongs to one DPC object, reached only in its routine.
    type DpcState<'dev>: FromZeros + Send;
    /// Memory for each SRB. It arrives with arbitrary contents.
    type SrbExtension: FromBytes + zerocopy::IntoBytes + Send;
    /// Memory for each logical unit (`LuExtensionSize`), shared by all requests of the unit: [`Srb::unit_extension`]. All
    /// zeroes at first.
    type UnitExtension: FromZeros + Send + Sync;
    /// How many work items, timers and DPCs are used at most: [`Slots`].
    type Slots: SlotCounts;
    /// [`LineOnly`], [`SynchronizeAll`] or [`PerMessage`].
    type Interrupts: InterruptMode;
    /// [`OneChannel`] or [`ConcurrentChannels`].
    type Channels: ChannelMode;

    /// `STOR_FEATURE_*` bits. A virtual miniport, and adapter control before `HwStorFindAdapter`, do not compile.
    const FEATURES: u32 = 0;
    /// The optional control types of `HwStorAdapterControl` that are served.
    const ADAPTER_CONTROLS: AdapterControls = AdapterControls::NONE;
    /// The control types of `HwStorUnitControl` that are served.
    const UNIT_CONTROLS: UnitControls = UnitControls::NONE;

    /// The oldest Windows that the miniport is installed on; the INF has to agree. Newer calls of the DDI compile up to
    /// here: [`version`](crate::version).
    const OLDEST_WINDOWS: Windows = Windows::V10_1809;

    /// `HwStorFindAdapter`. PASSIVE_LEVEL.
    ///
    /// # Errors
    /// If there is nothing to drive.
    fn find_adapter<'dev>(
        cx: &mut FindAdapter<'_, 'dev, Self>,
        adapter: &'dev Self::Adapter<'dev>,
    ) -> Result<Limits, FindError>;

    /// `HwStorInitialize`. DIRQL, under the interrupt lock. Interrupts may come from here on;
    /// [`message_count`](crate::Context::message_count) says which kind.
    ///
    /// # Errors
    /// If the adapter cannot be started.
    fn initialize<'dev>(
        _cx: &mut Initialize<'dev, Self>,
        _adapter: &'dev Self::Adapter<'dev>,
    ) -> Result<(), InitializeError> {
        Ok(())
    }

    /// `HwStorPassiveInitialize`. PASSIVE_LEVEL. DPCs that are issued run when this has ended well.
    ///
    /// # Errors
    /// If the adapter cannot be started.
    fn passive_initialize<'dev>(
        _cx: &mut PassiveInitialize<'dev, Self>,
        _adapter: &'dev Self::Adapter<'dev>,
    ) -> Result<(), InitializeError> {
        Ok(())
    }

    /// `HwStorBuildIo`. DISPATCH_LEVEL, in parallel, without a lock: it sees the SRB and its extension only. The PNP SRB
    /// that removes the adapter does not come here.
    fn build_io(srb: Preparing<'_, Self>) -> Built<'_> {
        srb.proceed()
    }

    /// `HwStorStartIo`. DISPATCH_LEVEL, under the StartIo lock if there is one channel. The token says that this SRB was
    /// completed, parked or refused; no other SRB's token has its type.
    fn start_io<'dev, 'srb>(
        cx: &mut StartIo<'dev, Self>,
        adapter: &'dev Self::Adapter<'dev>,
        srb: Srb<'dev, Self, Fresh<'srb>>,
    ) -> Started<'srb>;

    /// The message-signalled interrupt routine. DIRQL, under that message's lock or the interrupt lock, as
    /// [`Self::Interrupts`] says.
    fn message_interrupt<'dev>(
        _cx: &mut MessageInterrupt<'dev, Self>,
        _adapter: &'dev Self::Adapter<'dev>,
    ) -> Claim {
        Claim::NotMine
    }

    /// `HwStorInterrupt`, for line interrupts. DIRQL, under the interrupt lock.
    fn line_interrupt<'dev>(
        _cx: &mut LineInterrupt<'dev, Self>,
        _adapter: &'dev Self::Adapter<'dev>,
    ) -> Claim {
        Claim::NotMine
    }

    /// A DPC routine. DISPATCH_LEVEL, one at a time for each DPC. Runs may be more than issues.
    fn dpc<'dev>(_cx: &mut Dpc<'dev, Self>, _adapter: &'dev Self::Adapter<'dev>) {}

    /// A timer. DISPATCH_LEVEL, under the StartIo lock.
    fn timer<'dev>(_cx: &mut Timer<'dev, Self>, _adapter: &'dev Self::Adapter<'dev>) {}

    /// `HwStorStateChange`: the port driver has dealt with a state-change notification; another may follow. `outcome` is
    /// what it says of it. DISPATCH_LEVEL, under the StartIo lock.
    fn state_changed<'dev>(
        _cx: &mut StateChanged<'dev, Self>,
        _adapter: &'dev Self::Adapter<'dev>,
        _outcome: Result<(), CallError>,
    ) {
    }

    /// `HwStorResetBus`. DISPATCH_LEVEL, under the StartIo lock and all channels' tokens.
    fn reset_bus<'dev>(
        cx: &mut ResetBus<'dev, Self>,
        adapter: &'dev Self::Adapter<'dev>,
        path: u8,
    ) -> ResetOutcome;

    /// `ScsiStopAdapter`. IRQL and locks as in the intersection of the documented readings. Must not need the hardware.
    fn stop<'dev>(cx: &Control<'dev, Self>, adapter: &'dev Self::Adapter<'dev>);

    /// `ScsiRestartAdapter`. IRQL and locks as for [`Self::stop`].
    ///
    /// # Errors
    /// If the adapter cannot be started again.
    fn restart<'dev>(
        cx: &Control<'dev, Self>,
        adapter: &'dev Self::Adapter<'dev>,
    ) -> Result<(), InitializeError>;

    /// `ScsiSetBootConfig`, `ScsiSetRunningConfig`, if declared. PASSIVE_LEVEL, no lock.
    ///
    /// # Errors
    /// If it was not done.
    fn configure<'dev>(
        _cx: &mut Configuration<'dev, Self>,
        _adapter: &'dev Self::Adapter<'dev>,
        _what: Restored,
    ) -> Result<(), NotDone> {
        Err(NotDone)
    }

    /// `HwStorAdapterControl` for the declared types that come at PASSIVE_LEVEL. No lock.
    ///
    /// # Errors
    /// If it was not done.
    fn adapter_control<'dev>(
        _cx: &mut AdapterControl<'dev, Self>,
        _adapter: &'dev Self::Adapter<'dev>,
        _event: AdapterEvent<'_>,
    ) -> Result<(), NotDone> {
        Err(NotDone)
    }

    /// `HwStorAdapterControl` for the declared power types: DISPATCH_LEVEL or below. No lock.
    ///
    /// # Errors
    /// If it was not done.
    fn adapter_power<'dev>(
        _cx: &mut AdapterPower<'dev, Self>,
        _adapter: &'dev Self::Adapter<'dev>,
        _event: AdapterPowerEvent<'_>,
    ) -> Result<(), NotDone> {
        Err(NotDone)
    }

    /// `HwStorAdapterControl` for the declared types whose IRQL no page gives.
    ///
    /// # Errors
    /// If it was not done.
    fn adapter_notice<'dev>(
        _cx: &Control<'dev, Self>,
        _adapter: &'dev Self::Adapter<'dev>,
        _event: AdapterNotice<'_>,
    ) -> Result<(), NotDone> {
        Err(NotDone)
    }

    /// `HwStorUnitControl` for the declared types that come at PASSIVE_LEVEL. No lock.
    ///
    /// # Errors
    /// If it was not done.
    fn unit_control<'dev>(
        _cx: &mut UnitControl<'dev, Self>,
        _adapter: &'dev Self::Adapter<'dev>,
        _unit: Address,
        _event: UnitEvent<'_>,
    ) -> Result<(), NotDone> {
        Err(NotDone)
    }

    /// `HwStorUnitControl` for the declared power types: DISPATCH_LEVEL. No lock.
    ///
    /// # Errors
    /// If it was not done.
    fn unit_power<'dev>(
        _cx: &mut UnitPower<'dev, Self>,
        _adapter: &'dev Self::Adapter<'dev>,
        _unit: Address,
        _event: UnitPowerEvent<'_>,
    ) -> Result<(), NotDone> {
        Err(NotDone)
    }

    /// The adapter's PNP remove SRB has come: mask the device, and complete what it has. Timers, work items and DPCs can
    /// no longer be started. The framework then runs down its slots and completes the SRB. DISPATCH_LEVEL, under the
    /// StartIo lock if there is one channel.
    fn remove<'dev>(cx: &mut StartIo<'dev, Self>, adapter: &'dev Self::Adapter<'dev>);
}
