//! The trait that a miniport implements.

use zerocopy::{FromBytes, FromZeros};

pub use crate::extension::{SlotCounts, Slots};
use crate::{
    context::{
        Control, Dpc, Initialize, LineInterrupt, MessageInterrupt, PassiveInitialize, ResetBus, StartIo,
        Timer, UnitControl,
    },
    find_adapter::{FindAdapter, Limits},
    srb::{Address, Built, Preparing, Srb, Started},
    version::Windows,
};

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

/// What happens to a logical unit (`SCSI_UNIT_CONTROL_TYPE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitEvent {
    /// `ScsiUnitStart`.
    Start,
    /// `ScsiUnitRemove`.
    Remove,
    /// `ScsiUnitSurpriseRemoval`.
    SurpriseRemoval,
}

/// A Storport miniport.
///
/// The adapter begins as zeroes, is shared by reference between callbacks, has no drop glue, and may be found
/// again (then it is zeroed again after everything outstanding has run down). `'dev` is the adapter's life as one
/// callback sees it: what carries it can be kept in the adapter and nowhere else.
pub trait Miniport: Sized + 'static {
    /// State shared by all callbacks.
    type Adapter<'dev>: FromZeros + Send + Sync;
    /// State reached only where the StartIo lock is held.
    type StartIoState<'dev>: FromZeros + Send;
    /// State that belongs to one DPC object, reached only in its routine.
    type DpcState<'dev>: FromZeros + Send;
    /// Memory for each SRB. It arrives with arbitrary contents.
    type SrbExtension: FromBytes + zerocopy::IntoBytes + Send;
    /// How many work items, timers and DPCs are used at most: [`Slots`].
    type Slots: SlotCounts;

    /// `STOR_FEATURE_*` bits. A virtual miniport, and adapter control before `HwStorFindAdapter`, do not compile.
    const FEATURES: u32;

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

    /// `HwStorInitialize`. DIRQL, under the interrupt lock.
    ///
    /// # Errors
    /// If the adapter cannot be started.
    fn initialize<'dev>(
        cx: &Initialize<'dev, Self>,
        adapter: &'dev Self::Adapter<'dev>,
    ) -> Result<(), InitializeError>;

    /// `HwStorPassiveInitialize`. PASSIVE_LEVEL. DPCs that are issued run when this has ended well.
    ///
    /// # Errors
    /// If the adapter cannot be started.
    fn passive_initialize<'dev>(
        cx: &mut PassiveInitialize<'dev, Self>,
        adapter: &'dev Self::Adapter<'dev>,
    ) -> Result<(), InitializeError>;

    /// `HwStorBuildIo`. DISPATCH_LEVEL, in parallel, without a lock: it sees the SRB and its extension only.
    fn build_io(srb: Preparing<'_, Self>) -> Built<'_>;

    /// `HwStorStartIo`. DISPATCH_LEVEL, under the StartIo lock.
    fn start_io<'dev>(
        cx: &mut StartIo<'dev, Self>,
        adapter: &'dev Self::Adapter<'dev>,
        srb: Srb<'dev, Self>,
    ) -> Started;

    /// The message-signalled interrupt routine. DIRQL, under that message's lock.
    fn message_interrupt<'dev>(
        cx: &MessageInterrupt<'dev, Self>,
        adapter: &'dev Self::Adapter<'dev>,
        message: u32,
    ) -> Claim;

    /// `HwStorInterrupt`, for line interrupts. DIRQL, under the interrupt lock.
    fn line_interrupt<'dev>(cx: &LineInterrupt<'dev, Self>, adapter: &'dev Self::Adapter<'dev>) -> Claim;

    /// A DPC routine. DISPATCH_LEVEL, one at a time for each DPC. Runs may be more than issues.
    fn dpc<'dev>(cx: &mut Dpc<'dev, Self>, adapter: &'dev Self::Adapter<'dev>);

    /// A timer. DISPATCH_LEVEL, under the StartIo lock.
    fn timer<'dev>(cx: &mut Timer<'dev, Self>, adapter: &'dev Self::Adapter<'dev>);

    /// `HwStorResetBus`. DISPATCH_LEVEL, under the StartIo lock and all channels' tokens.
    fn reset_bus<'dev>(
        cx: &mut ResetBus<'dev, Self>,
        adapter: &'dev Self::Adapter<'dev>,
        path: u8,
    ) -> ResetOutcome;

    /// `ScsiStopAdapter`. IRQL and locks as in the intersection of the documented readings. Must not need the hardware.
    fn stop<'dev>(cx: &Control<'dev, Self>, adapter: &'dev Self::Adapter<'dev>);

    /// `ScsiRestartAdapter`.
    ///
    /// # Errors
    /// If the adapter cannot be started again.
    fn restart<'dev>(
        cx: &Control<'dev, Self>,
        adapter: &'dev Self::Adapter<'dev>,
    ) -> Result<(), InitializeError>;

    /// `HwStorUnitControl`. PASSIVE_LEVEL or DISPATCH_LEVEL.
    fn unit_control<'dev>(
        cx: &mut UnitControl<'dev, Self>,
        adapter: &'dev Self::Adapter<'dev>,
        unit: Address,
        event: UnitEvent,
    );

    /// The adapter's PNP remove SRB has come: mask the device, and complete what it has. Timers, work items and DPCs can
    /// no longer be started. The framework then runs down its slots and completes the SRB.
    fn remove<'dev>(cx: &mut StartIo<'dev, Self>, adapter: &'dev Self::Adapter<'dev>);
}
