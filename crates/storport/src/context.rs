//! Contexts: which IRQL surely holds, and which exclusion.
//!
//! | callback | IRQL | exclusion |
//! | --- | --- | --- |
//! | [`FindAdapter`](crate::find_adapter::FindAdapter) | [`Passive`] | [`Starting`] |
//! | [`Initialize`] | [`Device`] | [`Starting`] |
//! | [`PassiveInitialize`] | [`Passive`] | [`Starting`] |
//! | [`StartIo`] | [`Dispatch`] | [`StartIoLock`] |
//! | [`MessageInterrupt`], [`LineInterrupt`] | [`Device`] | none that guards state here |
//! | [`Dpc`] | [`Dispatch`] | its own DPC object |
//! | [`Timer`] | [`Dispatch`] | [`StartIoLock`] |
//! | [`ResetBus`] | [`Dispatch`] | [`StartIoLock`] |
//! | [`Control`] (stop, restart) | [`Device`] | none: the documented readings differ |
//! | [`UnitControl`] | [`UpToDispatch`] | none |
//! | [`WorkItem`] | [`Passive`] | none |
//!
//! Source: the page of each callback, and "Spin locks in Storport miniports". The miniport asks for full duplex.

use core::{
    ffi::c_void,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    ptr,
    sync::atomic::Ordering,
    time::Duration,
};

use wdk_sys::{
    _STOR_SPINLOCK, PVOID, STOR_ADDR_BTL8, STOR_LOCK_HANDLE,
    storage::{StorPortPause, StorPortResume, StorPortSetDeviceQueueDepth, StorPortStallExecution},
};

use crate::{
    extension::{DpcSlot, Extension, SlotTable},
    ffi,
    miniport::Miniport,
    srb::Address,
    status::CallError,
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

/// An exclusion that surely holds.
pub trait Exclusion: sealed::Sealed {}
/// That of a callback of an adapter that may be started: from here timers are started and work is queued. An adapter that
/// is being started may fail, and no removal SRB follows that would wait for what it left running.
pub trait Running: Exclusion {}

/// Nothing is excluded.
pub struct Unshared;
/// The StartIo lock of this adapter is held.
pub struct StartIoLock;
/// The adapter is being started: the framework lets no request, timer, work item or DPC routine run until
/// `HwStorPassiveInitialize` has ended. Interrupt routines may run.
pub struct Starting;
impl sealed::Sealed for Unshared {}
impl sealed::Sealed for StartIoLock {}
impl sealed::Sealed for Starting {}
impl Exclusion for Unshared {}
impl Exclusion for StartIoLock {}
impl Exclusion for Starting {}
impl Running for Unshared {}
impl Running for StartIoLock {}

/// What a callback may do: at IRQL `I`, under exclusion `X`, on one adapter.
pub struct Context<'dev, M: Miniport, I: Irql, X: Exclusion> {
    extension: &'dev Extension<'dev, M>,
    // A context belongs to one callback on one processor.
    at: PhantomData<(I, X, *mut ())>,
}

/// `HwStorInitialize`.
pub type Initialize<'dev, M> = Context<'dev, M, Device, Starting>;
/// `HwStorPassiveInitialize`.
pub type PassiveInitialize<'dev, M> = Context<'dev, M, Passive, Starting>;
/// `HwStorStartIo`.
pub type StartIo<'dev, M> = Context<'dev, M, Dispatch, StartIoLock>;
/// A message-signalled interrupt routine.
pub type MessageInterrupt<'dev, M> = Context<'dev, M, Device, Unshared>;
/// `HwStorInterrupt`.
pub type LineInterrupt<'dev, M> = Context<'dev, M, Device, Unshared>;
/// `HwStorResetBus`.
pub type ResetBus<'dev, M> = Context<'dev, M, Dispatch, StartIoLock>;
/// `HwStorAdapterControl` for stop and restart.
pub type Control<'dev, M> = Context<'dev, M, Device, Unshared>;
/// `HwStorUnitControl`.
pub type UnitControl<'dev, M> = Context<'dev, M, UpToDispatch, Unshared>;
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

    pub(crate) fn extension(&self) -> &'dev Extension<'dev, M> {
        self.extension
    }

    pub(crate) fn raw(&self) -> PVOID {
        self.extension.raw()
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

    /// Issues DPC `index` (`StorPortIssueDpc`; any IRQL): its routine runs once after this, or is queued already and
    /// has not begun, which is as good: a DPC carries no arguments here. Before the adapter is started the issue is kept
    /// until `HwStorPassiveInitialize` has ended. False if there is no such DPC, or the adapter is being removed.
    #[expect(
        clippy::must_use_candidate,
        reason = "a DPC that does not exist yet has nothing to do"
    )]
    pub fn issue_dpc(&self, index: usize) -> bool {
        let header = &self.extension.header;
        if index >= self.extension.table.dpcs().len() || header.rundown.is_closed() {
            return false;
        }
        if header.started.pass_or_note() {
            self.extension.issue_dpc(index);
        }
        true
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

impl<M: Miniport, I: AtMostDispatch, X: Exclusion> Context<'_, M, I, X> {
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

impl<'dev, M: Miniport, I: AtMostDispatch> Context<'dev, M, I, Unshared> {
    /// Acquires the StartIo lock (`StorPortAcquireSpinLock`), runs `f` at `DISPATCH_LEVEL` under it, releases it.
    ///
    /// The context is borrowed meanwhile, so that nothing in `f` can think of the lower IRQL, or take the lock again. The
    /// callbacks that have this context ([`Dpc`], [`UnitControl`], [`WorkItem`]) run without a lock; that a work item may
    /// take this one is not written on the page of the call, which lists no work items.
    pub fn with_start_io_lock<R>(&mut self, f: impl FnOnce(&mut StartIo<'dev, M>) -> R) -> R {
        let mut handle = STOR_LOCK_HANDLE {
            Lock: _STOR_SPINLOCK::StartIoLock,
            ..Default::default()
        };
        // SAFETY: no Storport lock is held here and the IRQL is at most DISPATCH; the handle stays in this frame.
        unsafe {
            ffi::acquire_spin_lock(
                self.raw(),
                _STOR_SPINLOCK::StartIoLock,
                ptr::null_mut(),
                &raw mut handle,
            );
        };
        // SAFETY: the lock is held until the release below.
        let mut cx = unsafe { Context::new(self.extension) };
        let result = f(&mut cx);
        // SAFETY: acquired above with this handle.
        unsafe { ffi::release_spin_lock(self.raw(), &raw mut handle) };
        result
    }
}

impl<'dev, M: Miniport, I: AtMostDispatch> Context<'dev, M, I, Starting> {
    /// The state that the StartIo lock guards, for its first contents.
    ///
    /// The lock is not taken, nor may it be in these callbacks: nothing that reaches the state runs before
    /// `HwStorPassiveInitialize` has ended.
    pub fn start_io_state(&mut self) -> &mut M::StartIoState<'dev> {
        // SAFETY: the callbacks that start an adapter follow one another, and until the gate `started` opens every other
        // way to the state is shut. The context is borrowed for as long as the state.
        unsafe { &mut *self.extension.start_io.get() }
    }
}

impl<'dev, M: Miniport, I: Irql> Context<'dev, M, I, StartIoLock> {
    /// The state that the StartIo lock guards.
    ///
    /// The borrow keeps the context: an SRB cannot be completed while the state is held.
    pub fn start_io_state(&mut self) -> &mut M::StartIoState<'dev> {
        // SAFETY: the StartIo lock of this adapter is held as long as the context exists, and the context is
        // borrowed for as long as the state.
        unsafe { &mut *self.extension.start_io.get() }
    }
}

/// The context of a timer routine: which timer, at `DISPATCH_LEVEL` under the StartIo lock.
pub struct Timer<'dev, M: Miniport> {
    pub(crate) context: StartIo<'dev, M>,
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
    type Target = StartIo<'dev, M>;

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
