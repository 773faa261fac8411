//! Storport's spin locks: which are held, which may be taken, what they guard.
//!
//! The locks, in the order in which they are taken: the StartIo lock, or a DPC's, then the interrupt lock, or that of one
//! message. A context says by its [`Exclusion`] which are held; taking one borrows the context and hands a closure another
//! one, so that a wrong order, or the same lock twice, has no method to call. The lock is released when the closure
//! returns: there is no guard that could be forgotten.
//!
//! State guarded by a lock lives in the adapter as [`Guarded`] (or [`PerMessageState`]) and is reached with a context that
//! holds the lock; the state of the StartIo lock is also [`Context::start_io_state`]. A borrow of the state borrows the
//! context, so that no SRB is completed meanwhile.
//!
//! Source: the pages of `StorPortAcquireSpinLock` (locks held and allowed, by callback; order) and
//! `StorPortAcquireMSISpinLock`.

use core::{cell::UnsafeCell, ptr};

use wdk_sys::{_STOR_SPINLOCK, PVOID, STOR_LOCK_HANDLE, STOR_SPINLOCK};
use zerocopy::FromZeros;

use crate::{
    brand::Brand,
    context::{AtMostDispatch, Context, Device, Dispatch, Irql, Message, StartIo},
    extension::{Extension, SlotTable},
    ffi,
    miniport::{Miniport, PerMessage},
    performance::OwnChannel,
    status,
};

mod sealed {
    pub trait Sealed {}
}

/// An exclusion that surely holds.
pub trait Exclusion: sealed::Sealed {}
/// That of a callback of an adapter that may be started: from here timers are started and work is queued. An adapter that
/// is being started may fail, and no removal SRB follows that would wait for what it left running.
pub trait Running: Exclusion {}
/// The StartIo lock may be taken.
pub trait BelowStartIoLock: Exclusion {
    /// The port driver holds it already if it grants one channel only.
    #[doc(hidden)]
    const ONE_CHANNEL_HOLDS: bool = false;
}
/// A DPC's lock may be taken.
pub trait BelowDpcLock: Exclusion {}
/// The interrupt lock, or that of a message, may be taken.
pub trait BelowInterruptLock: Exclusion {}
/// What lock `L` guards may be used.
pub trait Holds<L>: Exclusion {}
/// What the lock of the message of a [`Message`] context guards may be used.
pub trait HoldsMessageLock: Exclusion {}

/// No Storport lock is held.
pub struct Unshared;
/// Which locks are held is not known: the documentation says one thing on one page and another on the next. None may be
/// taken, and nothing that one guards may be used.
pub struct Unknown;
/// Nothing is said of what is held: [`Context::weakest`].
pub struct Unspecified;
/// The StartIo lock is held.
///
/// The callbacks that it is held in may take the interrupt lock; that `HwStorStartIo` might take a DPC's as well is not
/// offered, since `HwStorTimer` and `HwStorResetBus` may not.
pub struct StartIoLock;
/// `HwStorStartIo` with concurrent channels: no lock is held. Excluded are `HwStorResetBus`, which has all channels, and
/// other requests of the same channel: [`PerChannelState`].
///
/// If the port driver grants one channel only, it holds the StartIo lock after all, and `with_start_io_lock` knows.
pub struct Channel;
/// The lock of DPC `INDEX` is held.
pub struct DpcLock<const INDEX: usize>;
/// The interrupt lock is held, over `Over`.
pub struct InterruptLock<Over = Unshared>(core::marker::PhantomData<Over>);
/// The lock of one message is held, over `Over`.
pub struct MessageLock<Over = Unshared>(core::marker::PhantomData<Over>);
/// The adapter is being started: the framework lets no request, timer, work item or DPC routine run until
/// `HwStorPassiveInitialize` has ended. Interrupt routines may run. No lock may be taken.
pub struct Starting;
/// As [`Starting`], in `HwStorFindAdapter`: calls that the port driver refuses there have no method.
pub struct Finding;

macro_rules! exclusions {
    ($($name:ty: $($bound:ty),*;)+) => {
        $(
            impl sealed::Sealed for $name {}
            impl Exclusion for $name {}
            $(impl $bound for $name {})*
        )+
    };
}

exclusions! {
    Unshared: Running, BelowStartIoLock, BelowDpcLock, BelowInterruptLock;
    Unknown: Running;
    Unspecified: ;
    StartIoLock: Running, BelowInterruptLock, Holds<StartIoLock>;
    Channel: Running, BelowDpcLock, BelowInterruptLock;
    Starting: Holds<StartIoLock>;
    Finding: Holds<StartIoLock>;
}

impl BelowStartIoLock for Channel {
    const ONE_CHANNEL_HOLDS: bool = true;
}

impl<const INDEX: usize> sealed::Sealed for DpcLock<INDEX> {}
impl<const INDEX: usize> Exclusion for DpcLock<INDEX> {}
impl<const INDEX: usize> Running for DpcLock<INDEX> {}
impl<const INDEX: usize> BelowInterruptLock for DpcLock<INDEX> {}
impl<const INDEX: usize> Holds<Self> for DpcLock<INDEX> {}
impl<const INDEX: usize> Holds<DpcLock<INDEX>> for Starting {}
impl<const INDEX: usize> Holds<DpcLock<INDEX>> for Finding {}

macro_rules! over {
    ($($lock:ident)+) => {
        $(
            impl<Over: Exclusion> sealed::Sealed for $lock<Over> {}
            impl<Over: Exclusion> Exclusion for $lock<Over> {}
            impl<Over: Running> Running for $lock<Over> {}
            impl<Over: Exclusion> HoldsMessageLock for $lock<Over> {}
            impl<Over: Holds<StartIoLock>> Holds<StartIoLock> for $lock<Over> {}
            impl<Over: Holds<DpcLock<INDEX>>, const INDEX: usize> Holds<DpcLock<INDEX>> for $lock<Over> {}
        )+
    };
}

over! { InterruptLock MessageLock }

impl<Over: Exclusion> Holds<InterruptLock> for InterruptLock<Over> {}

/// State guarded by lock `L`: [`StartIoLock`], [`InterruptLock`] or [`DpcLock`]. Lives in the adapter; all zeroes at first.
///
/// The lock of a DPC is not the DPC: its routine does not hold it. State of the routine alone is
/// [`Dpc::state`](crate::context::Dpc::state), which needs no lock.
#[derive(FromZeros)]
#[repr(C)]
pub struct Guarded<'dev, M, L, T> {
    device: Brand<'dev, (M, L)>,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached through `get` alone, whose context proves that the one lock is held.
unsafe impl<M, L, T: Send> Sync for Guarded<'_, M, L, T> {}
// SAFETY: moving the cell moves the value.
unsafe impl<M, L, T: Send> Send for Guarded<'_, M, L, T> {}

impl<'dev, M: Miniport, L, T> Guarded<'dev, M, L, T> {
    /// The state. The borrow keeps the context: an SRB cannot be completed while the state is held.
    pub fn get<'a, I: Irql, X: Holds<L>>(&'a self, _cx: &'a mut Context<'dev, M, I, X>) -> &'a mut T {
        // SAFETY: the brand makes the context one of this adapter; it holds the lock, or nothing that could use the
        // state runs, for as long as it exists, and it is borrowed for as long as the state.
        unsafe { &mut *self.value.get() }
    }
}

/// State for each of the first `N` messages, guarded by that message's lock; with
/// [`SynchronizeAll`](crate::miniport::SynchronizeAll) by the interrupt lock. Lives in the adapter; all zeroes at first.
#[derive(FromZeros)]
#[repr(C)]
pub struct PerMessageState<'dev, M, T, const N: usize> {
    device: Brand<'dev, M>,
    values: [UnsafeCell<T>; N],
}

// SAFETY: a value is reached through `get` alone, whose context proves that its message's lock is held.
unsafe impl<M, T: Send, const N: usize> Sync for PerMessageState<'_, M, T, N> {}
// SAFETY: moving the cells moves the values.
unsafe impl<M, T: Send, const N: usize> Send for PerMessageState<'_, M, T, N> {}

impl<'dev, M: Miniport, T, const N: usize> PerMessageState<'dev, M, T, N> {
    /// The state of the context's message; `None` beyond the `N`th.
    pub fn get<'a, X: HoldsMessageLock>(&'a self, cx: &'a mut Message<'dev, M, X>) -> Option<&'a mut T> {
        let cell = self.values.get(usize::try_from(cx.message()).ok()?)?;
        // SAFETY: the context is one of this adapter and holds the lock of this message; a miniport has either message
        // locks or one interrupt lock for all. It is borrowed for as long as the state.
        Some(unsafe { &mut *cell.get() })
    }
}

/// State for each of the first `N` channels, reached in `HwStorStartIo` by the request that has the channel
/// ([`OwnChannel`]). Lives in the adapter; all zeroes at first. With one channel it is the StartIo lock that guards it.
#[derive(FromZeros)]
#[repr(C)]
pub struct PerChannelState<'dev, M, T, const N: usize> {
    device: Brand<'dev, M>,
    values: [UnsafeCell<T>; N],
}

// SAFETY: a value is reached through `get` alone, whose arguments prove that its channel is the caller's.
unsafe impl<M, T: Send, const N: usize> Sync for PerChannelState<'_, M, T, N> {}
// SAFETY: moving the cells moves the values.
unsafe impl<M, T: Send, const N: usize> Send for PerChannelState<'_, M, T, N> {}

impl<'dev, M: Miniport, T, const N: usize> PerChannelState<'dev, M, T, N> {
    /// The state of the channel; `None` beyond the `N`th.
    ///
    /// The borrow keeps the context: an SRB cannot be completed while the state is held.
    #[inline]
    pub fn get<'a>(&'a self, _cx: &'a mut StartIo<'dev, M>, channel: &OwnChannel<'_>) -> Option<&'a mut T> {
        let cell = self.values.get(channel.number() as usize)?;
        // SAFETY: the port driver runs one request of a channel at a time (`STOR_PERF_CONCURRENT_CHANNELS`), or holds the
        // StartIo lock around each; the channel is that of the request of this callback, as its lifetime is, and the one
        // context of this callback, which is of this adapter, is borrowed for as long as the state.
        Some(unsafe { &mut *cell.get() })
    }
}

/// Runs `f` with a lock of `StorPortAcquireSpinLock` held, if there is one to be taken.
///
/// # Safety
/// The caller's context allows the lock, and `context` is what the page asks for with it.
unsafe fn under<R>(
    extension: PVOID,
    lock: Option<STOR_SPINLOCK>,
    context: PVOID,
    f: impl FnOnce() -> R,
) -> R {
    let mut handle = STOR_LOCK_HANDLE::default();
    if let Some(lock) = lock {
        handle.Lock = lock;
        // SAFETY: the caller's promise; the handle stays in this frame.
        unsafe { ffi::acquire_spin_lock(extension, lock, context, &raw mut handle) };
    }
    let result = f();
    if lock.is_some() {
        // SAFETY: acquired above with this handle.
        unsafe { ffi::release_spin_lock(extension, &raw mut handle) };
    }
    result
}

impl<'dev, M: Miniport, I: AtMostDispatch, X: BelowStartIoLock> Context<'dev, M, I, X> {
    /// Acquires the StartIo lock (`StorPortAcquireSpinLock`), runs `f` at `DISPATCH_LEVEL` under it, releases it.
    ///
    /// The context is borrowed meanwhile, so that nothing in `f` can think of the lower IRQL, or take the lock again.
    /// Where: DPC routines, unit and adapter control \[D\]; `HwStorStartIo` with concurrent channels \[D\], where the lock
    /// excludes everything but other `HwStorStartIo`; work items \[I\], which the page of the call does not list.
    pub fn with_start_io_lock<R>(
        &mut self,
        f: impl FnOnce(&mut Context<'dev, M, Dispatch, StartIoLock>) -> R,
    ) -> R {
        let extension = self.extension();
        let run = || {
            // SAFETY: the lock is held while this runs: taken below, or by the port driver around `HwStorStartIo`.
            let mut cx = unsafe { Context::new(extension) };
            f(&mut cx)
        };
        let is_held = X::ONE_CHANNEL_HOLDS && !extension.header.has_channels();
        let lock = (!is_held).then_some(_STOR_SPINLOCK::StartIoLock);
        // SAFETY: no Storport lock is held here but what `is_held` says, and the IRQL is at most DISPATCH.
        unsafe { under(self.raw(), lock, ptr::null_mut(), run) }
    }
}

impl<'dev, M: Miniport, I: AtMostDispatch, X: BelowDpcLock> Context<'dev, M, I, X> {
    /// Acquires the lock of DPC `INDEX` (`StorPortAcquireSpinLock`), runs `f` at `DISPATCH_LEVEL` under it, releases it.
    /// `None`, and `f` does not run, if the miniport has no such DPC, or its DPCs do not exist yet.
    ///
    /// Where: DPC routines, unit and adapter control \[D\]; work items \[I\].
    pub fn with_dpc_lock<const INDEX: usize, R>(
        &mut self,
        f: impl FnOnce(&mut Context<'dev, M, Dispatch, DpcLock<INDEX>>) -> R,
    ) -> Option<R> {
        let extension = self.extension();
        let dpc = extension.initialized_dpc(INDEX)?;
        let run = || {
            // SAFETY: the lock is held while this runs.
            let mut cx = unsafe { Context::new(extension) };
            f(&mut cx)
        };
        // SAFETY: no Storport lock is held here, the IRQL is at most DISPATCH, and the DPC object was initialised.
        Some(unsafe { under(self.raw(), Some(_STOR_SPINLOCK::DpcLock), dpc.cast(), run) })
    }
}

impl<'dev, M: Miniport, I: AtMostDispatch, X: BelowInterruptLock> Context<'dev, M, I, X> {
    /// Acquires the interrupt lock (`StorPortAcquireSpinLock`), runs `f` at the device's IRQL under it, releases it. With a
    /// lock for each message this is all of them, in the right order.
    ///
    /// Where: everywhere but in the callbacks that start an adapter and in interrupt routines \[D\]; work items \[I\].
    pub fn with_interrupt_lock<R>(
        &mut self,
        f: impl FnOnce(&mut Context<'dev, M, Device, InterruptLock<X>>) -> R,
    ) -> R {
        let extension = self.extension();
        let run = || {
            // SAFETY: the lock is held while this runs, over what the outer context holds.
            let mut cx = unsafe { Context::new(extension) };
            f(&mut cx)
        };
        // SAFETY: no interrupt lock is held here and the IRQL is at most DISPATCH.
        let result = unsafe {
            under(
                self.raw(),
                Some(_STOR_SPINLOCK::InterruptLock),
                ptr::null_mut(),
                run,
            )
        };
        self.reclaim_if_removing();
        result
    }
}

impl<'dev, M: Miniport<Interrupts = PerMessage>, I: AtMostDispatch, X: BelowInterruptLock>
    Context<'dev, M, I, X>
{
    /// Acquires the lock of one message (`StorPortAcquireMSISpinLock`; any IRQL, from Vista on), runs `f` at the
    /// device's IRQL under it, releases it. `None`, and `f` does not run, if the platform granted no such message.
    ///
    /// One at a time: no page gives an order among message locks. [`Self::with_interrupt_lock`] takes all of them.
    pub fn with_message_lock<R>(
        &mut self,
        message: u32,
        f: impl FnOnce(&mut Message<'dev, M, MessageLock<X>>) -> R,
    ) -> Option<R> {
        if message >= self.message_count() {
            return None;
        }
        let extension = self.extension();
        let mut irql = 0;
        // SAFETY: the message exists, no interrupt lock is held, and interrupts are synchronised per message.
        if unsafe { ffi::lock::acquire_msi_spin_lock(self.raw(), message, &mut irql) } != status::SUCCESS {
            return None;
        }
        // SAFETY: the lock of this message is held until the release below.
        let mut cx = unsafe { Message::new(extension, message) };
        let result = f(&mut cx);
        // SAFETY: acquired above, with this IRQL.
        let _ = unsafe { ffi::lock::release_msi_spin_lock(self.raw(), message, irql) };
        self.reclaim_if_removing();
        Some(result)
    }
}

impl<'dev, M: Miniport, I: Irql, X: Holds<StartIoLock>> Context<'dev, M, I, X> {
    /// The state that the StartIo lock guards. Where an adapter is being started the lock is not held, nor may it be taken:
    /// nothing else that reaches the state runs before `HwStorPassiveInitialize` has ended.
    ///
    /// The borrow keeps the context: an SRB cannot be completed while the state is held.
    pub fn start_io_state(&mut self) -> &mut M::StartIoState<'dev> {
        // SAFETY: the lock is held for as long as the context exists, or the gate `started` is shut, behind which every
        // other way to the state lies; the callbacks that start an adapter follow one another. The context is borrowed
        // for as long as the state.
        unsafe { &mut *self.extension().start_io.get() }
    }
}

impl<M: Miniport> Extension<'_, M> {
    /// The DPC object of DPC `index`, if there is one and it is initialised.
    fn initialized_dpc(&self, index: usize) -> Option<*mut wdk_sys::STOR_DPC> {
        let ready = self.header.dpcs_ready.load(core::sync::atomic::Ordering::Acquire) != 0;
        self.table
            .dpcs()
            .get(index)
            .filter(|_| ready)
            .map(|slot| slot.dpc.get())
    }
}
