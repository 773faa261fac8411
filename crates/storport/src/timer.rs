//! Timers: `StorPortInitializeTimer`, `StorPortRequestTimer`, `StorPortFreeTimer`.

use core::{
    ffi::c_void,
    marker::PhantomData,
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
    time::Duration,
};

use wdk_sys::PVOID;

use crate::{
    context::{AtMostDispatch, Context, Exclusion, Irql, Timer},
    extension::{Extension, SlotTable},
    ffi,
    miniport::Miniport,
    slot::{Generation, Refused, Release, Slot},
    status::{InitializeTimerError, RequestTimerError, SUCCESS},
};

/// A timer slot. All zeroes is vacant.
#[repr(C)]
pub struct TimerSlot {
    state: Slot,
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
    /// An earlier request is still active.
    Busy,
    /// `StorPortRequestTimer` said so.
    Request(RequestTimerError),
}

impl TimerSlot {
    /// # Safety
    /// IRQL is at most DISPATCH and `extension` is the live extension that holds the slot.
    unsafe fn release(&self, extension: PVOID, release: Release) -> bool {
        if release == Release::Keep {
            return false;
        }
        let timer = self.timer.load(Ordering::Acquire);
        // SAFETY: the slot elected this caller to free, so nobody else uses the timer.
        if unsafe { ffi::free_timer(extension, timer) } == SUCCESS {
            self.state.freed();
            return true;
        }
        self.state.free_refused();
        false
    }

    /// Cancels and closes the timer because the adapter goes; true if it is vacant afterwards and was not before.
    ///
    /// # Safety
    /// As [`Self::release`], and the StartIo lock is held, so that the timer's routine does not run meanwhile.
    pub(crate) unsafe fn close_for_removal(&self, extension: PVOID) -> bool {
        let mut release = self.state.close_any();
        if self.state.is_queued() {
            let timer = self.timer.load(Ordering::Acquire);
            // SAFETY: the timer exists as long as its slot is queued; 0 cancels.
            let _ = unsafe { ffi::request_timer(extension, timer, None, ptr::null_mut(), 0, 0) };
            // A routine that waits for the lock finds nothing queued and returns.
            if self.state.retract() {
                release = self.state.retracted();
            }
        }
        // SAFETY: the caller's promise.
        unsafe { self.release(extension, release) }
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
            extension.release_reference();
            return Err(CreateTimerError::NoSlot);
        };
        let mut timer = ptr::null_mut();
        // SAFETY: the extension is live; IRQL is at most DISPATCH.
        let status = unsafe { ffi::initialize_timer(self.raw(), &mut timer) };
        if let Err(error) = InitializeTimerError::check(status) {
            slot.state.abandon();
            extension.release_reference();
            return Err(CreateTimerError::Initialize(error));
        }
        slot.timer.store(timer, Ordering::Release);
        slot.state.created();
        Ok(TimerHandle {
            index,
            generation,
            device: PhantomData,
        })
    }
}

impl<'dev, M: Miniport, I: Irql, X: Exclusion> Context<'dev, M, I, X> {
    /// Starts a timer (`StorPortRequestTimer`; any IRQL): [`Miniport::timer`] runs once after `delay`.
    ///
    /// # Errors
    /// If an earlier request is active, the timer is closed, or the port driver refuses.
    pub fn start_timer(&self, timer: TimerHandle<'dev>, delay: Duration) -> Result<(), TimerError> {
        let extension = self.extension();
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
        slot.state.publish();
        // 0 would cancel.
        let microseconds = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX).max(1);
        // SAFETY: the timer belongs to this live slot, which is the context and lives until the routine ran.
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
        let Err(error) = RequestTimerError::check(status) else {
            return Ok(());
        };
        if slot.state.retract() {
            // A closing slot is left to the removal path: freeing is not legal at every IRQL.
            if slot.state.retracted() == Release::Free {
                slot.state.free_refused();
            }
            return Err(TimerError::Request(error));
        }
        Ok(())
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
        live.release_reference();
    }
}
