//! Contexts: which IRQL surely holds, and which exclusion.
//!
//! | callback | IRQL | exclusion |
//! | --- | --- | --- |
//! | [`FindAdapter`](crate::find_adapter::FindAdapter) | [`Passive`] | [`Finding`](crate::lock::Finding) |
//! | [`Initialize`] | [`Device`] | [`InterruptLock`] over [`Starting`] |
//! | [`PassiveInitialize`] | [`Passive`] | [`Starting`] |
//! | [`StartIo`] | [`Dispatch`] | [`StartIoLock`]; [`Channel`](crate::lock::Channel) with concurrent channels |
//! | [`LineInterrupt`] | [`Device`] | [`InterruptLock`] |
//! | [`MessageInterrupt`] | [`Device`] | [`InterruptLock`], or [`MessageLock`](crate::lock::MessageLock) of its message |
//! | [`Dpc`] | [`Dispatch`] | its own DPC object |
//! | [`Timer`], [`StateChanged`], [`ResetBus`] | [`Dispatch`] | [`StartIoLock`] |
//! | [`Control`] (stop, restart, what no page gives an IRQL for) | [`Device`] | [`Unknown`]: the documented readings differ |
//! | [`Configuration`], [`AdapterControl`], [`UnitControl`] | [`Passive`] | none |
//! | [`AdapterPower`] | [`UpToDispatch`] | none |
//! | [`UnitPower`] | [`Dispatch`] | none |
//! | [`WorkItem`] | [`Passive`] | none |
//!
//! `HwStorBuildIo` has no context: it sees its SRB alone. Source: the page of each callback, and the tables of
//! `StorPortAcquireSpinLock`. The miniport asks for full duplex. The guide has the whole table (`docs/guide/irql-and-locks.md`).

use core::{
    ffi::c_void,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    ptr,
    sync::atomic::Ordering,
    time::Duration,
};

use wdk_sys::{
    PVOID, STOR_ADDR_BTL8,
    storage::{StorPortPause, StorPortResume, StorPortSetDeviceQueueDepth, StorPortStallExecution},
};

use crate::{
    extension::{DpcSlot, Extension, SlotTable},
    ffi,
    miniport::{ChannelMode, InterruptMode, Miniport},
    slot::Reference,
    srb::Address,
    status::CallError,
};

pub use crate::lock::{
    BelowDpcLock, BelowInterruptLock, BelowStartIoLock, Exclusion, Holds, InterruptLock, Running,
    StartIoLock, Starting, Unknown, Unshared, Unspecified,
};

mod sealed {
    pub trait Sealed {}
}

/// An IRQL that surely holds.
pub trait Irql: sealed::Sealed {
    /// It is at most `DISPATCH_LEVEL`.
    const AT_MOST_DISPATCH: bool;
}
/// At most `DISPATCH_LEVEL`.
pub trait AtMostDispatch: Irql {}

macro_rules! irql {
    ($($(#[$meta:meta])* $name:ident: $at_most_dispatch:literal $(=> $bound:ident)?;)+) => {
        $(
            $(#[$meta])*
            pub struct $name;
            impl sealed::Sealed for $name {}
            impl Irql for $name {
                const AT_MOST_DISPATCH: bool = $at_most_dispatch;
            }
            $(impl $bound for $name {})?
        )+
    };
}

irql! {
    /// `PASSIVE_LEVEL`.
    Passive: true => AtMostDispatch;
    /// `DISPATCH_LEVEL`.
    Dispatch: true => AtMostDispatch;
    /// `PASSIVE_LEVEL` up to `DISPATCH_LEVEL`.
    UpToDispatch: true => AtMostDispatch;
    /// The device's IRQL, or anything below it.
    Device: false;
}

/// What a callback may do: at IRQL `I`, under exclusion `X`, on one adapter.
#[repr(transparent)]
pub struct Context<'dev, M: Miniport, I: Irql, X: Exclusion> {
    extension: &'dev Extension<'dev, M>,
    // A context belongs to one callback on one processor.
    at: PhantomData<(I, X, *mut ())>,
}

/// `HwStorInitialize`.
pub type Initialize<'dev, M> = Context<'dev, M, Device, InterruptLock<Starting>>;
/// `HwStorPassiveInitialize`.
pub type PassiveInitialize<'dev, M> = Context<'dev, M, Passive, Starting>;
/// `HwStorStartIo`: what is excluded follows from [`Miniport::Channels`].
pub type StartIo<'dev, M> = Context<'dev, M, Dispatch, <<M as Miniport>::Channels as ChannelMode>::StartIo>;
/// A message-signalled interrupt routine: which lock is held follows from [`Miniport::Interrupts`].
pub type MessageInterrupt<'dev, M> =
    Message<'dev, M, <<M as Miniport>::Interrupts as InterruptMode>::Exclusion>;
/// `HwStorInterrupt`.
pub type LineInterrupt<'dev, M> = Context<'dev, M, Device, InterruptLock>;
/// `HwStorResetBus`.
pub type ResetBus<'dev, M> = Context<'dev, M, Dispatch, StartIoLock>;
/// `HwStorStateChange`.
pub type StateChanged<'dev, M> = Context<'dev, M, Dispatch, StartIoLock>;
/// `HwStorAdapterControl` for stop and restart, and for the control types whose IRQL no page gives.
pub type Control<'dev, M> = Context<'dev, M, Device, Unknown>;
/// `HwStorAdapterControl` for what comes at `PASSIVE_LEVEL`.
pub type AdapterControl<'dev, M> = Context<'dev, M, Passive, Unshared>;
/// `HwStorAdapterControl` for power.
pub type AdapterPower<'dev, M> = Context<'dev, M, UpToDispatch, Unshared>;
/// `HwStorUnitControl` for what comes at `PASSIVE_LEVEL`.
pub type UnitControl<'dev, M> = Context<'dev, M, Passive, Unshared>;
/// `HwStorUnitControl` for power.
pub type UnitPower<'dev, M> = Context<'dev, M, Dispatch, Unshared>;
/// `HwStorWorkItem`.
pub type WorkItem<'dev, M> = Context<'dev, M, Passive, Unshared>;

impl<'dev, M: Miniport, I: Irql, X: Exclusion> Context<'dev, M, I, X> {
    /// A context for the callback that is running.
    ///
    /// # Safety
    /// `I` and `X` surely hold until the context is gone.
    pub(crate) unsafe fn new(extension: &'dev Extension<'dev, M>) -> Self {
        Self {
            extension,
            at: PhantomData,
        }
    }

    /// The same context for what may be done wherever a callback runs: code that many callbacks share is compiled once then.
    #[must_use]
    pub fn weakest(&self) -> &Context<'dev, M, Device, Unspecified> {
        // SAFETY: the parameters change nothing of the representation. Any IRQL is at most the device's, and nothing is
        // said of what is held; the borrow ends before this context can be used mutably.
        unsafe { &*ptr::from_ref(self).cast() }
    }

    pub(crate) fn extension(&self) -> &'dev Extension<'dev, M> {
        self.extension
    }

    pub(crate) fn raw(&self) -> PVOID {
        self.extension.raw()
    }

    /// `HwDeviceExtension`, for `unsafe` calls of the DDI that this crate does not wrap. What lies there is the framework's.
    #[must_use]
    pub fn device_extension(&self) -> *mut c_void {
        self.raw()
    }

    /// Drops a slot's rundown reference if the slot says so.
    pub(crate) fn settle(&self, reference: Reference) {
        if reference == Reference::Drop {
            self.release_reference();
        }
    }

    /// Drops a rundown reference that belonged to a slot, not to the callback that is running.
    pub(crate) fn release_reference(&self) {
        // SAFETY: the callback that this context belongs to keeps the extension alive: it has a reference of its own, or
        // the port driver does not remove the adapter while it runs.
        unsafe { Extension::<M>::release_reference(self.raw()) };
    }

    /// The adapter.
    #[must_use]
    pub fn adapter(&self) -> &'dev M::Adapter<'dev> {
        self.extension.adapter()
    }

    /// Time since an arbitrary origin (`StorPortQueryPerformanceCounter`; any IRQL). Never goes back: should the counter
    /// not be readable, or go back, the time stands still.
    #[must_use]
    pub fn now(&self) -> Duration {
        let counted = self.count().unwrap_or(0);
        let before = self.extension.header.latest.fetch_max(counted, Ordering::Relaxed);
        Duration::from_micros(before.max(counted))
    }

    /// Microseconds by the performance counter.
    fn count(&self) -> Option<u64> {
        // SAFETY: the extension is live.
        let (status, frequency, counter) = unsafe { ffi::query_performance_counter(self.raw()) };
        if status != crate::status::SUCCESS {
            return None;
        }
        let (frequency, counter) = (u64::try_from(frequency).ok()?, u64::try_from(counter).ok()?);
        let (seconds, rest) = (counter.checked_div(frequency)?, counter.checked_rem(frequency)?);
        let microseconds = rest.saturating_mul(1_000_000).checked_div(frequency)?;
        Some(seconds.saturating_mul(1_000_000).saturating_add(microseconds))
    }

    /// Busy-waits (`StorPortStallExecution`; any IRQL). Cut to 999 us: a call stays below 1 ms.
    pub fn stall(&self, time: Duration) {
        let microseconds = u32::try_from(time.as_micros()).unwrap_or(u32::MAX).min(999);
        // SAFETY: an export without pointers.
        unsafe { StorPortStallExecution(microseconds) };
    }

    /// Issues DPC `index` (`StorPortIssueDpc`; any IRQL): its routine begins after this, and sees what was written before.
    /// It carries no arguments, which a DPC that is queued already would lose; one that runs is issued again when it ends.
    /// Before the adapter is started the issue is kept until `HwStorPassiveInitialize` has ended. False if there is no such
    /// DPC, the adapter is being removed, or the port driver refused.
    #[expect(
        clippy::must_use_candidate,
        reason = "a DPC that does not exist yet has nothing to do"
    )]
    pub fn issue_dpc(&self, index: usize) -> bool {
        let header = &self.extension.header;
        if index >= self.extension.table.dpcs().len() || header.rundown.is_closed() {
            return false;
        }
        !header.started.pass_or_note() || self.extension.issue_dpc(index)
    }

    /// Tells the port driver that the logical units of `unit`'s path may have changed
    /// (`StorPortStateChangeDetected` with `STATE_CHANGE_BUS` | `STATE_CHANGE_LUN`; any IRQL). One is outstanding.
    ///
    /// # Errors
    /// [`CallError::Busy`] while the last one is outstanding, or what the port driver says.
    pub fn state_change_detected(&self, unit: Address, change: StateChange) -> Result<(), CallError> {
        const BTL8_LENGTH: u32 = 4;
        let header = &self.extension.header;
        if header
            .state_change_used
            .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            return Err(CallError::Busy);
        }
        let address = STOR_ADDR_BTL8 {
            Type: 1,
            AddressLength: BTL8_LENGTH,
            Path: unit.path,
            Target: unit.target,
            Lun: unit.lun,
            ..Default::default()
        };
        // SAFETY: whoever set `state_change_used` owns the place until the callback clears it.
        unsafe { header.state_change.get().write(address) };
        // SAFETY: the address stays unchanged until the callback of this notification.
        let status = unsafe {
            ffi::state_change_detected(
                self.raw(),
                change as u32,
                header.state_change.get(),
                crate::entry::state_change::<M> as *mut c_void,
                ptr::null_mut(),
            )
        };
        CallError::check(status).inspect_err(|_| header.state_change_used.store(0, Ordering::Release))
    }

    /// Number of interrupt messages that the platform granted; 0 with line interrupts.
    #[must_use]
    pub fn message_count(&self) -> u32 {
        self.extension.header.messages.load(Ordering::Acquire)
    }

    /// Whether removal has begun: nothing new is to be started.
    #[must_use]
    pub fn is_removing(&self) -> bool {
        self.extension.header.rundown.is_closed()
    }
}

/// What has changed, for [`Context::state_change_detected`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum StateChange {
    /// `STATE_CHANGE_LUN`.
    LogicalUnit = 1,
    /// `STATE_CHANGE_TARGET`.
    Target = 2,
    /// `STATE_CHANGE_BUS`.
    Bus = 4,
}

impl<'dev, M: Miniport, I: Irql, X: Running> Context<'dev, M, I, X> {
    /// As [`Context::weakest`], of an adapter that may be started: what may be done in `ScsiStopAdapter` and
    /// `ScsiRestartAdapter`.
    #[must_use]
    pub fn as_control(&self) -> &Control<'dev, M> {
        // SAFETY: as in `weakest`; locks that are held are not known to be, and none may be taken.
        unsafe { &*ptr::from_ref(self).cast() }
    }
}

impl<'dev, M: Miniport, I: AtMostDispatch, X: Exclusion> Context<'dev, M, I, X> {
    /// As [`Context::weakest`], of what may be done up to `DISPATCH_LEVEL`.
    #[must_use]
    pub fn up_to_dispatch(&self) -> &Context<'dev, M, UpToDispatch, Unspecified> {
        // SAFETY: as in `weakest`; the bound says that the IRQL is at most DISPATCH_LEVEL.
        unsafe { &*ptr::from_ref(self).cast() }
    }

    /// Pauses the adapter for at most `time` (`StorPortPause`); whole seconds.
    #[expect(clippy::must_use_candidate, reason = "the port driver's answer is advice")]
    pub fn pause(&self, time: Duration) -> bool {
        let seconds = u32::try_from(time.as_secs()).unwrap_or(u32::MAX).max(1);
        // SAFETY: the extension is live.
        unsafe { StorPortPause(self.raw(), seconds) != 0 }
    }

    /// Ends a pause (`StorPortResume`).
    #[expect(clippy::must_use_candidate, reason = "the port driver's answer is advice")]
    pub fn resume(&self) -> bool {
        // SAFETY: the extension is live.
        unsafe { StorPortResume(self.raw()) != 0 }
    }

    /// Sets a logical unit's queue depth (`StorPortSetDeviceQueueDepth`); from the first INQUIRY on.
    #[expect(clippy::must_use_candidate, reason = "the port driver's answer is advice")]
    pub fn set_queue_depth(&self, unit: Address, depth: u32) -> bool {
        // SAFETY: the extension is live.
        unsafe { StorPortSetDeviceQueueDepth(self.raw(), unit.path, unit.target, unit.lun, depth) != 0 }
    }
}

/// The context of a message-signalled interrupt routine, or of a message's lock: which message, at the device's IRQL.
pub struct Message<'dev, M: Miniport, X: Exclusion> {
    context: Context<'dev, M, Device, X>,
    message: u32,
}

impl<'dev, M: Miniport, X: Exclusion> Message<'dev, M, X> {
    /// # Safety
    /// `X` surely holds until the context is gone; if it is a message's lock, it is that of `message`.
    pub(crate) unsafe fn new(extension: &'dev Extension<'dev, M>, message: u32) -> Self {
        // SAFETY: the caller's promise; any IRQL is at most the device's.
        let context = unsafe { Context::new(extension) };
        Self { context, message }
    }

    /// Which message.
    #[must_use]
    pub fn message(&self) -> u32 {
        self.message
    }
}

impl<'dev, M: Miniport, X: Exclusion> Deref for Message<'dev, M, X> {
    type Target = Context<'dev, M, Device, X>;

    fn deref(&self) -> &Self::Target {
        &self.context
    }
}

impl<M: Miniport, X: Exclusion> DerefMut for Message<'_, M, X> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.context
    }
}

/// The context of `HwStorAdapterControl` for `ScsiSetBootConfig` and `ScsiSetRunningConfig`: besides what
/// [`AdapterControl`] allows, PCI configuration space.
pub struct Configuration<'dev, M: Miniport> {
    pub(crate) context: AdapterControl<'dev, M>,
}

impl<'dev, M: Miniport> Deref for Configuration<'dev, M> {
    type Target = AdapterControl<'dev, M>;

    fn deref(&self) -> &Self::Target {
        &self.context
    }
}

impl<M: Miniport> DerefMut for Configuration<'_, M> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.context
    }
}

/// The context of a timer routine: which timer, at `DISPATCH_LEVEL` under the StartIo lock.
pub struct Timer<'dev, M: Miniport> {
    pub(crate) context: Context<'dev, M, Dispatch, StartIoLock>,
    pub(crate) index: usize,
}

impl<M: Miniport> Timer<'_, M> {
    /// Which timer.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }
}

impl<'dev, M: Miniport> Deref for Timer<'dev, M> {
    type Target = Context<'dev, M, Dispatch, StartIoLock>;

    fn deref(&self) -> &Self::Target {
        &self.context
    }
}

impl<M: Miniport> DerefMut for Timer<'_, M> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.context
    }
}

/// The context of a DPC routine.
pub struct Dpc<'dev, M: Miniport> {
    pub(crate) context: Context<'dev, M, Dispatch, Unshared>,
    pub(crate) slot: &'dev DpcSlot<M::DpcState<'dev>>,
    pub(crate) index: usize,
}

impl<'dev, M: Miniport> Dpc<'dev, M> {
    /// Which DPC.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// The state of this DPC object.
    pub fn state(&mut self) -> &mut M::DpcState<'dev> {
        // SAFETY: the trampoline runs one routine of a DPC slot at a time, and the context is borrowed for as long.
        unsafe { &mut *self.slot.state.get() }
    }
}

impl<'dev, M: Miniport> Deref for Dpc<'dev, M> {
    type Target = Context<'dev, M, Dispatch, Unshared>;

    fn deref(&self) -> &Self::Target {
        &self.context
    }
}

impl<M: Miniport> DerefMut for Dpc<'_, M> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.context
    }
}
