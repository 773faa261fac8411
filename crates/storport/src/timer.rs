//! Timers: `StorPortInitializeTimer`, `StorPortRequestTimer`, `StorPortFreeTimer`.
//!
//! A timer is a framework-owned slot in the device extension; a [`TimerHandle`] is an index with a generation and has
//! no drop glue. Each request that is not cancelled leads to exactly one run of [`Miniport::timer`], not before its
//! delay. A cancelled one leads to none: the port driver is told (`TimerValue` 0), and should it call the routine all
//! the same, because that was on its way, the call finds another request or none. [`crate::slot::timer_state`] has the
//! invariants, ADR 8 what is known and what is assumed of a cancelled timer.

use core::{ffi::c_void, marker::PhantomData, ptr, time::Duration};

use wdk_sys::{PHW_TIMER_EX, PVOID};

use crate::{
    context::{AtMostDispatch, Context, Exclusion, Irql, Running, Timer},
    extension::{Extension, SlotTable},
    ffi,
    miniport::Miniport,
    slot::{
        Generation, Reference, Refused,
        timer_slot::{NotRequested, TimerDdi, delay_microseconds, tolerable_microseconds},
        timer_state::Request,
    },
    status::{InitializeTimerError, RequestTimerError},
};

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
    /// An earlier request is still active, or another processor is just cancelling one.
    Busy,
    /// `StorPortRequestTimer` said so.
    Request(RequestTimerError),
}

/// The port driver's half, for the slot at `index`.
struct Ddi {
    extension: PVOID,
    callback: PHW_TIMER_EX,
    index: u32,
    at_most_dispatch: bool,
    in_routine: bool,
}

impl Ddi {
    /// # Safety
    /// `extension` is a live device extension of `M`, and IRQL is at most `DISPATCH_LEVEL` if it is said so, as long as the
    /// result is used.
    const unsafe fn new<M: Miniport>(extension: PVOID, index: u32, at_most_dispatch: bool) -> Self {
        Self {
            extension,
            callback: Some(run::<M>),
            index,
            at_most_dispatch,
            in_routine: false,
        }
    }

    fn request_timer(&self, timer: PVOID, context: PVOID, delay: u64, tolerable: u64) -> u32 {
        // SAFETY: the slot does not free the timer before this call is declared over; the context is no address.
        unsafe { ffi::request_timer(self.extension, timer, self.callback, context, delay, tolerable) }
    }
}

impl TimerDdi for Ddi {
    fn initialize(&self, timer: &mut PVOID) -> u32 {
        // SAFETY: the extension is live; who makes a timer is at most at DISPATCH.
        unsafe { ffi::initialize_timer(self.extension, timer) }
    }

    fn request(&self, timer: PVOID, request: Request, delay: u64, tolerable: u64) -> u32 {
        let context = usize::try_from(request.with_index(self.index)).unwrap_or(0);
        let context = ptr::without_provenance_mut::<c_void>(context);
        self.request_timer(timer, context, delay, tolerable)
    }

    fn cancel(&self, timer: PVOID) -> u32 {
        self.request_timer(timer, ptr::null_mut(), 0, 0)
    }

    fn may_free(&self) -> bool {
        self.at_most_dispatch
    }

    fn in_routine(&self) -> bool {
        self.in_routine
    }

    fn free(&self, timer: PVOID) -> u32 {
        // SAFETY: the slot elected this caller to free, so nobody else uses the timer; it asked whether it may.
        unsafe { ffi::free_timer(self.extension, timer) }
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
        for (index, slot) in (0_u32..).zip(extension.table.timers()) {
            // SAFETY: the extension is live and IRQL at most DISPATCH.
            let ddi = unsafe { Ddi::new::<M>(self.raw(), index, true) };
            self.settle(slot.collect(&ddi));
        }
        let mut slots = (0_u32..).zip(extension.table.timers());
        let free = slots.find_map(|(index, slot)| Some((index, slot, slot.allocate()?)));
        let Some((index, slot, generation)) = free else {
            self.release_reference();
            return Err(CreateTimerError::NoSlot);
        };
        // SAFETY: the extension is live and IRQL at most DISPATCH.
        let ddi = unsafe { Ddi::new::<M>(self.raw(), index, true) };
        if let Err(refused) = slot.initialize(&ddi) {
            self.release_reference();
            return Err(refused.map_or(CreateTimerError::Removing, CreateTimerError::Initialize));
        }
        Ok(TimerHandle {
            index,
            generation,
            device: PhantomData,
        })
    }

    /// Cancels a timer (`StorPortRequestTimer` with 0): if a request is active its routine will not run for it. False if
    /// none is, or the routine has begun; under the StartIo lock, which the routine holds, that means it has ended.
    ///
    /// The DDI's call is legal at any IRQL; but above `DISPATCH_LEVEL` it is deferred, and could then hit a request that
    /// was made after it.
    #[expect(
        clippy::must_use_candidate,
        reason = "who cancels need not know whether it was in time"
    )]
    pub fn cancel_timer(&self, timer: TimerHandle<'dev>) -> bool {
        let Some(slot) = self.extension().table.timers().get(timer.index as usize) else {
            return false;
        };
        // SAFETY: the extension is live and IRQL at most DISPATCH.
        let ddi = unsafe { Ddi::new::<M>(self.raw(), timer.index, true) };
        let (cancelled, reference) = slot.cancel(&ddi, timer.generation);
        self.settle(reference);
        cancelled
    }

    /// Closes a timer: its request is cancelled, and it is freed (`StorPortFreeTimer`) now or, if its routine runs, later:
    /// when the next timer is made, or the adapter is removed. No page says that a routine may free its timer.
    pub fn close_timer(&self, timer: TimerHandle<'dev>) {
        if let Some(slot) = self.extension().table.timers().get(timer.index as usize) {
            // SAFETY: the extension is live and IRQL at most DISPATCH.
            let ddi = unsafe { Ddi::new::<M>(self.raw(), timer.index, true) };
            self.settle(slot.close(&ddi, timer.generation));
        }
    }
}

impl<'dev, M: Miniport, I: Irql, X: Running> Context<'dev, M, I, X> {
    /// Starts a timer (`StorPortRequestTimer`; any IRQL): [`Miniport::timer`] runs once after `delay`, unless it is
    /// cancelled. From its own routine it may be started again.
    ///
    /// The DDI counts microseconds: `delay` is rounded up to whole ones, and at least 1 (0 would cancel). Above
    /// `DISPATCH_LEVEL` the delay begins when the IRQL has fallen.
    ///
    /// # Errors
    /// If an earlier request is active, the timer is closed, the adapter is not started yet or being removed, or the port
    /// driver refuses.
    pub fn start_timer(&self, timer: TimerHandle<'dev>, delay: Duration) -> Result<(), TimerError> {
        self.start_timer_within(timer, delay, Duration::ZERO)
    }

    /// As [`Context::start_timer`], and the routine may come later by `tolerable`, so that the system can serve several
    /// timers at once. Rounded down to whole microseconds; the port driver ignores less than 32.
    ///
    /// # Errors
    /// As [`Context::start_timer`].
    pub fn start_timer_within(
        &self,
        timer: TimerHandle<'dev>,
        delay: Duration,
        tolerable: Duration,
    ) -> Result<(), TimerError> {
        let extension = self.extension();
        if !extension.header.started.is_open() {
            return Err(TimerError::NotStarted);
        }
        let slot = extension.table.timers().get(timer.index as usize);
        let Some(slot) = slot.filter(|_| !extension.header.rundown.is_closed()) else {
            return Err(TimerError::Gone);
        };
        // SAFETY: the extension is live, and the IRQL is what the context says.
        let ddi = unsafe { Ddi::new::<M>(self.raw(), timer.index, I::AT_MOST_DISPATCH) };
        let (delay, tolerable) = (delay_microseconds(delay), tolerable_microseconds(tolerable));
        let (result, reference) = slot.request(&ddi, timer.generation, delay, tolerable);
        self.settle(reference);
        result.map_err(|reason| match reason {
            NotRequested::Slot(Refused::Busy) => TimerError::Busy,
            NotRequested::Slot(Refused::Gone) => TimerError::Gone,
            NotRequested::Ddi(error) => TimerError::Request(error),
        })
    }
}

/// `HwStorTimer` (`HW_TIMER_EX`).
///
/// # Safety
/// Called by the port driver as requested by [`Context::start_timer`].
unsafe extern "C" fn run<M: Miniport>(extension: PVOID, context: PVOID) {
    let Ok(context) = u64::try_from(context.addr()) else {
        return;
    };
    let (request, index) = Request::and_index(context);
    // SAFETY: a request that was not cancelled keeps the extension alive until `end_run`. That a cancelled one whose
    // call was on its way comes before the extension goes is the port driver's care: it passes the pointer (ADR 8).
    let live = unsafe { Extension::<M>::from_raw(extension) };
    let Some(slot) = live.table.timers().get(index as usize) else {
        return;
    };
    if !slot.begin_run(request) {
        return;
    }
    if !live.header.rundown.is_closed() {
        // SAFETY: HwStorTimer runs at DISPATCH_LEVEL under the StartIo lock.
        let context = unsafe { Context::new(live) };
        let adapter = context.adapter();
        let index = index as usize;
        M::timer(&mut Timer { context, index }, adapter);
    }
    // SAFETY: DISPATCH_LEVEL; the extension is live.
    let mut ddi = unsafe { Ddi::new::<M>(extension, index, true) };
    ddi.in_routine = true;
    if slot.end_run(&ddi) == Reference::Drop {
        // SAFETY: the slot's reference, and nothing of the extension is used after this.
        unsafe { Extension::<M>::release_reference(extension) };
    }
}

impl<M: Miniport> Extension<'_, M> {
    /// Closes every timer for good: those that are requested are cancelled, those that are idle are freed now.
    ///
    /// # Safety
    /// IRQL is at most DISPATCH, the rundown is closed, and something besides the slots keeps the extension.
    pub(crate) unsafe fn shut_timers(&self) {
        for (index, slot) in (0..).zip(self.table.timers()) {
            // SAFETY: the caller's promise.
            let ddi = unsafe { Ddi::new::<M>(self.raw(), index, true) };
            if slot.shut(&ddi) == Reference::Drop {
                // SAFETY: the slot's reference; the caller promises another keeper.
                unsafe { Self::release_reference(self.raw()) };
            }
        }
    }
}
