//! Timers: `StorPortInitializeTimer`, `StorPortRequestTimer`, `StorPortFreeTimer`.
//!
//! A timer is a framework-owned slot in the device extension; a [`TimerHandle`] is an index with a generation and has
//! no drop glue. Each accepted request leads to exactly one run of the routine: a request is never cancelled, because
//! whether a cancelled timer's routine may still be on its way is not documented. Removal waits for the routine of
//! a timer that is set, which is why a delay is at most [`MAX_DELAY`].

use core::{
    ffi::c_void,
    marker::PhantomData,
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
    time::Duration,
};

use wdk_sys::PVOID;

use crate::{
    context::{AtMostDispatch, Context, Exclusion, Irql, Running, Timer},
    extension::{Extension, SlotTable},
    ffi,
    miniport::Miniport,
    slot::{Generation, Refused, Release, Slot},
    status::{FreeTimerError, InitializeTimerError, RequestTimerError},
};

/// Longest delay of a timer: removal of the adapter waits for a timer that is set.
pub const MAX_DELAY: Duration = Duration::from_secs(10);

/// A timer slot. All zeroes is vacant.
#[repr(C)]
pub struct TimerSlot {
    pub(crate) state: Slot,
    timer: AtomicPtr<c_void>,
}

/// A timer of the adapter.
#[derive(Clone, Copy)]
pub struct TimerHandle<'dev> {
    index: u32,
    generation: Generation,
    device: PhantomData<&'dev mut &'dev ()>,
}

/// Why there is no timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateTimerError {
    /// All timer slots of [`Slots`](crate::miniport::Slots) are taken.
    NoSlot,
    /// The adapter is being removed.
    Removing,
    /// `StorPortInitializeTimer` said so.
    Initialize(InitializeTimerError),
}

/// Why a timer was not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimerError {
    /// The timer was closed, or the adapter is being removed.
    Gone,
    /// `HwStorPassiveInitialize` has not ended yet.
    NotStarted,
    /// An earlier request is still active.
    Busy,
    /// The delay is longer than [`MAX_DELAY`].
    TooLong,
    /// `StorPortRequestTimer` said so.
    Request(RequestTimerError),
}

impl TimerSlot {
    /// Frees the DDI's timer if the caller is the one who shall; true if the slot's rundown reference is to be dropped.
    ///
    /// # Safety
    /// IRQL is at most DISPATCH, and `extension` is the live extension that holds the slot.
    pub(crate) unsafe fn release(&self, extension: PVOID, release: Release) -> bool {
        if release == Release::Keep {
            return false;
        }
        let timer = self.timer.load(Ordering::Acquire);
        // SAFETY: the slot elected this caller to free, so nobody else uses the timer.
        match FreeTimerError::check(unsafe { ffi::free_timer(extension, timer) }) {
            Ok(()) | Err(FreeTimerError::AlreadyFree) => self.state.freed(),
            // Nobody comes later to try again: the port driver's object is leaked, and removal goes on.
            Err(_) => self.state.retire(),
        }
        true
    }

    /// As [`Self::release`], at an IRQL at which a timer may not be freed: it is leaked.
    fn give_up(&self, release: Release) -> bool {
        if release == Release::Keep {
            return false;
        }
        self.state.retire();
        true
    }
}

impl<'dev, M: Miniport, I: AtMostDispatch, X: Exclusion> Context<'dev, M, I, X> {
    /// Makes a timer (`StorPortInitializeTimer`). Its index counts timers in the order of their making.
    ///
    /// # Errors
    /// If no slot is free, the adapter is being removed, or the port driver refuses.
    pub fn create_timer(&self) -> Result<TimerHandle<'dev>, CreateTimerError> {
        let extension = self.extension();
        if !extension.header.rundown.acquire() {
            return Err(CreateTimerError::Removing);
        }
        let mut slots = (0_u32..).zip(extension.table.timers());
        let free = slots.find_map(|(index, slot)| Some((index, slot, slot.state.allocate()?)));
        let Some((index, slot, generation)) = free else {
            self.release_reference();
            return Err(CreateTimerError::NoSlot);
        };
        let mut timer = ptr::null_mut();
        // SAFETY: the extension is live; IRQL is at most DISPATCH.
        let status = unsafe { ffi::initialize_timer(self.raw(), &mut timer) };
        if let Err(error) = InitializeTimerError::check(status) {
            slot.state.abandon();
            self.release_reference();
            return Err(CreateTimerError::Initialize(error));
        }
        slot.timer.store(timer, Ordering::Release);
        let release = slot.state.created();
        // SAFETY: IRQL is at most DISPATCH; the extension is live.
        if unsafe { slot.release(self.raw(), release) } {
            self.release_reference();
            return Err(CreateTimerError::Removing);
        }
        Ok(TimerHandle {
            index,
            generation,
            device: PhantomData,
        })
    }
}

impl<'dev, M: Miniport, I: Irql, X: Running> Context<'dev, M, I, X> {
    /// Starts a timer (`StorPortRequestTimer`; any IRQL): [`Miniport::timer`] runs once after `delay`.
    ///
    /// # Errors
    /// If an earlier request is active, the delay is longer than [`MAX_DELAY`], the timer is closed, the adapter is not
    /// started yet, or the port driver refuses.
    pub fn start_timer(&self, timer: TimerHandle<'dev>, delay: Duration) -> Result<(), TimerError> {
        let extension = self.extension();
        if !extension.header.started.is_open() {
            return Err(TimerError::NotStarted);
        }
        if delay > MAX_DELAY {
            return Err(TimerError::TooLong);
        }
        // 0 would cancel.
        let microseconds = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX).max(1);
        let slot = extension.table.timers().get(timer.index as usize);
        let Some(slot) = slot.filter(|_| !extension.header.rundown.is_closed()) else {
            return Err(TimerError::Gone);
        };
        slot.state
            .begin_publish(timer.generation)
            .map_err(|refused| match refused {
                Refused::Busy => TimerError::Busy,
                Refused::Gone => TimerError::Gone,
            })?;
        if !slot.state.publish() {
            self.end_request(slot, slot.state.retracted());
            return Err(TimerError::Gone);
        }
        // SAFETY: the timer is not freed before this call is declared over; the slot is the context and lives until the
        // routine ran.
        let status = unsafe {
            ffi::request_timer(
                self.raw(),
                slot.timer.load(Ordering::Acquire),
                Some(run::<M>),
                ptr::from_ref(slot).cast_mut().cast(),
                microseconds,
                0,
            )
        };
        let refused = RequestTimerError::check(status);
        // If the routine ran in spite of a refusal, the request was as good as taken.
        if let Err(error) = refused
            && slot.state.retract()
        {
            self.end_request(slot, slot.state.retracted());
            return Err(TimerError::Request(error));
        }
        self.end_request(slot, slot.state.called());
        Ok(())
    }

    /// Does what the end of a DDI call leaves to this caller.
    fn end_request(&self, slot: &TimerSlot, release: Release) {
        let drop_reference = if I::AT_MOST_DISPATCH {
            // SAFETY: IRQL is at most DISPATCH; the extension is live.
            unsafe { slot.release(self.raw(), release) }
        } else {
            // Removal passes every interrupt lock before it closes the slots, so that no starter at the device's IRQL
            // comes here unless the port driver runs another callback there beside the removal SRB.
            slot.give_up(release)
        };
        if drop_reference {
            self.release_reference();
        }
    }
}

/// `HwStorTimer`.
///
/// # Safety
/// Called by the port driver as requested by [`Context::start_timer`].
unsafe extern "C" fn run<M: Miniport>(extension: PVOID, context: PVOID) {
    // SAFETY: the slot lies in the device extension, which a rundown reference keeps alive.
    let slot = unsafe { &*context.cast::<TimerSlot>() };
    if !slot.state.begin_run() {
        return;
    }
    slot.state.payload_taken();
    // SAFETY: the slot keeps the extension alive until `end_run`.
    let live = unsafe { Extension::<M>::from_raw(extension) };
    if let Some(index) = live.table.timers().iter().position(|other| ptr::eq(other, slot))
        && !live.header.rundown.is_closed()
    {
        // SAFETY: HwStorTimer runs at DISPATCH_LEVEL under the StartIo lock.
        let context = unsafe { Context::new(live) };
        let adapter = context.adapter();
        M::timer(&mut Timer { context, index }, adapter);
    }
    let release = slot.state.end_run();
    // SAFETY: DISPATCH_LEVEL; if this caller is to free, its rundown reference still keeps the extension alive.
    if unsafe { slot.release(extension, release) } {
        // SAFETY: the slot's reference, and nothing of the extension is used after this.
        unsafe { Extension::<M>::release_reference(extension) };
    }
}
