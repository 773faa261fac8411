//! Event objects: a work item waits for what another callback sets. Tier \[I\].
//!
//! The objects lie in the device extension and live as long as the adapter: there is no call that would free one, and none
//! is needed. Whoever waits is a work item, and removal waits for work items; so a wait is bounded.

use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use wdk_sys::{_STOR_EVENT_TYPE, LARGE_INTEGER, STOR_EVENT};

use crate::{
    brand::Brand,
    context::{AtMostDispatch, Exclusion, Passive, Running},
    ffi::{inferred as ffi, system::widened},
    miniport::Miniport,
    status::InferredError,
    version::{Newer, Way, gate},
};

/// Most events of an adapter.
pub const MOST_EVENTS: usize = 8;
/// The longest wait.
pub const MAX_WAIT: Duration = Duration::from_secs(10);

/// How an event ends a wait (`STOR_EVENT_TYPE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// It stays set, and ends every wait.
    Notification,
    /// It ends one wait, and is not set any more.
    Synchronization,
}

/// Why there is no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateEventError {
    /// There are [`MOST_EVENTS`] already.
    NoPlace,
    /// `StorPortInitializeEvent` said so.
    Initialize(InferredError),
}

/// An event.
pub struct Event<'dev, M> {
    index: usize,
    device: Brand<'dev, M>,
}

impl<M> Clone for Event<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Event<'_, M> {}

const VACANT: u32 = 0;
const TAKEN: u32 = 1;
const READY: u32 = 2;

/// An event object's place. All zeroes is vacant.
#[repr(C)]
pub(crate) struct EventSlot {
    state: AtomicU32,
    event: UnsafeCell<STOR_EVENT>,
}

impl EventSlot {
    /// Vacant again, for a repeated `HwStorFindAdapter`: nobody waits, as no work item runs.
    pub(crate) fn reopen(&self) {
        self.state.store(VACANT, Ordering::Release);
    }
}

impl<'dev, M: Miniport, I: AtMostDispatch, X: Exclusion, W: Way> Newer<'_, 'dev, M, I, X, W> {
    /// Makes an event (`StorPortInitializeEvent`; Windows 10 2004; tier \[I\]).
    ///
    /// # Errors
    /// See [`CreateEventError`].
    pub fn create_event(&self, kind: EventKind, set: bool) -> Result<Event<'dev, M>, CreateEventError> {
        gate!(M, W, V10_2004);
        let mut slots = self.extension().header.events.iter().enumerate();
        let Some((index, slot)) = slots.find(|(_, slot)| {
            slot.state
                .compare_exchange(VACANT, TAKEN, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
        }) else {
            return Err(CreateEventError::NoPlace);
        };
        let kind = match kind {
            EventKind::Notification => _STOR_EVENT_TYPE::StorNotificationEvent,
            EventKind::Synchronization => _STOR_EVENT_TYPE::StorSynchronizationEvent,
        };
        // SAFETY: the extension is live; the object lies in it, and taking the slot made it ours.
        let status = unsafe { ffi::initialize_event(self.raw(), slot.event.get(), kind, widened(set)) };
        if let Err(error) = InferredError::check(status) {
            slot.state.store(VACANT, Ordering::Release);
            return Err(CreateEventError::Initialize(error));
        }
        slot.state.store(READY, Ordering::Release);
        Ok(Event {
            index,
            device: PhantomData,
        })
    }

    fn slot(&self, event: Event<'dev, M>) -> Result<&'dev EventSlot, InferredError> {
        let slot = self.extension().header.events.get(event.index);
        slot.filter(|slot| slot.state.load(Ordering::Acquire) == READY)
            .ok_or(InferredError::InvalidParameter)
    }

    fn wait(&self, event: Event<'dev, M>, relative: i64) -> Result<(), InferredError> {
        let slot = self.slot(event)?;
        let mut timeout = LARGE_INTEGER { QuadPart: relative };
        // SAFETY: the extension is live; the object was initialised; the time-out outlives the call.
        InferredError::check(unsafe {
            ffi::wait_for_single_object(
                self.raw(),
                slot.event.get().cast(),
                widened(false),
                &raw mut timeout,
            )
        })
    }

    /// Sets `event` (`StorPortSetEvent`; Windows 10 2004; tier \[I\]).
    ///
    /// # Errors
    /// See [`InferredError`].
    pub fn set_event(&self, event: Event<'dev, M>) -> Result<(), InferredError> {
        gate!(M, W, V10_2004);
        let slot = self.slot(event)?;
        // SAFETY: the extension is live; the object was initialised.
        InferredError::check(unsafe { ffi::set_event(self.raw(), slot.event.get()) })
    }

    /// Takes `event` if it is set, without waiting (`StorPortWaitForSingleObject` with a time-out of zero; Windows 10 2004;
    /// up to `DISPATCH_LEVEL`; tier \[I\]).
    ///
    /// # Errors
    /// See [`InferredError`]; that the event is not set is [`InferredError::Unsuccessful`] (the page does not say how it is
    /// told).
    pub fn take_event(&self, event: Event<'dev, M>) -> Result<(), InferredError> {
        gate!(M, W, V10_2004);
        self.wait(event, 0)
    }
}

impl<'dev, M: Miniport, X: Running, W: Way> Newer<'_, 'dev, M, Passive, X, W> {
    /// Waits for `event`, at most `time` or [`MAX_WAIT`] (`StorPortWaitForSingleObject`; Windows 10 2004;
    /// `PASSIVE_LEVEL`; tier \[I\]).
    ///
    /// # Errors
    /// As [`Newer::take_event`].
    pub fn wait_for_event(&self, event: Event<'dev, M>, time: Duration) -> Result<(), InferredError> {
        gate!(M, W, V10_2004);
        let ticks = time.min(MAX_WAIT).as_nanos().checked_div(100).unwrap_or(0);
        let ticks = i64::try_from(ticks).unwrap_or(i64::MAX);
        self.wait(event, ticks.saturating_neg())
    }
}
