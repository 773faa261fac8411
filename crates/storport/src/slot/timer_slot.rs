//! What each call of a timer does, in order: request, cancel, run, free.

use core::{ffi::c_void, time::Duration};

use super::{
    Generation, Reference, Refused,
    timer_state::{Duty, Request, TimerState},
};
use crate::{
    status::{FreeTimerError, InitializeTimerError, RequestTimerError},
    sync::{AtomicPtr, Ordering},
};

/// The DDI's half of timers.
pub trait TimerDdi {
    /// `StorPortInitializeTimer`, at most at `DISPATCH_LEVEL`; the timer is stored at the place given.
    fn initialize(&self, timer: &mut *mut c_void) -> u32;
    /// `StorPortRequestTimer`, with the slot's index and `request` as context; microseconds, `delay` not 0.
    fn request(&self, timer: *mut c_void, request: Request, delay: u64, tolerable: u64) -> u32;
    /// `StorPortRequestTimer` with a `TimerValue` of 0.
    fn cancel(&self, timer: *mut c_void) -> u32;
    /// Whether the IRQL is surely at most `DISPATCH_LEVEL`.
    fn may_free(&self) -> bool;
    /// Whether this is the timer's own routine: no page says that it may free its timer, so that somebody later does.
    fn in_routine(&self) -> bool {
        false
    }
    /// `StorPortFreeTimer`; only if [`TimerDdi::may_free`].
    fn free(&self, timer: *mut c_void) -> u32;
}

/// Why a slot made no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotRequested {
    /// The slot refused.
    Slot(Refused),
    /// `StorPortRequestTimer` refused.
    Ddi(RequestTimerError),
}

/// A timer slot. All zeroes is vacant.
#[derive(Debug, Default)]
#[repr(C)]
pub struct TimerSlot {
    state: TimerState,
    timer: AtomicPtr<c_void>,
}

/// A delay in the DDI's microseconds: rounded up, at least 1 (0 would cancel), and no more than the kernel can count in
/// units of 100 ns.
#[must_use]
pub fn delay_microseconds(delay: Duration) -> u64 {
    const LONGEST: u64 = i64::MAX.cast_unsigned() / 10;
    microseconds(delay, 1).clamp(1, LONGEST)
}

/// A tolerable delay in the DDI's microseconds: rounded down, so that it is never exceeded.
#[must_use]
pub fn tolerable_microseconds(delay: Duration) -> u64 {
    microseconds(delay, 0)
}

/// Whole microseconds, and `rest` more for a part of one.
fn microseconds(delay: Duration, rest: u64) -> u64 {
    let whole = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
    let is_whole = delay.subsec_nanos().is_multiple_of(1000);
    whole.saturating_add(if is_whole { 0 } else { rest })
}

impl TimerSlot {
    /// Claims the slot; [`TimerSlot::initialize`] follows. The caller has a rundown reference for it.
    pub fn allocate(&self) -> Option<Generation> {
        self.state.allocate()
    }

    /// Makes the timer of a slot that was allocated.
    ///
    /// # Errors
    /// `Some`: the DDI refused. `None`: the adapter goes, the timer is freed already. Either way the caller drops the
    /// slot's rundown reference.
    pub fn initialize(&self, ddi: &impl TimerDdi) -> Result<(), Option<InitializeTimerError>> {
        let mut timer = core::ptr::null_mut();
        if let Err(error) = InitializeTimerError::check(ddi.initialize(&mut timer)) {
            self.state.abandon();
            return Err(Some(error));
        }
        self.timer.store(timer, Ordering::Release);
        match self.discharge(ddi, self.state.created().into()) {
            Reference::Keep => Ok(()),
            Reference::Drop => Err(None),
        }
    }

    /// Requests the routine after `delay` microseconds, which is not 0.
    pub fn request(
        &self,
        ddi: &impl TimerDdi,
        generation: Generation,
        delay: u64,
        tolerable: u64,
    ) -> (Result<(), NotRequested>, Reference) {
        let request = match self.state.begin_request(generation) {
            Ok(request) => request,
            Err(refused) => return (Err(NotRequested::Slot(refused)), Reference::Keep),
        };
        let timer = self.timer.load(Ordering::Acquire);
        let (result, duty) = match RequestTimerError::check(ddi.request(timer, request, delay, tolerable)) {
            Ok(()) => (Ok(()), self.state.accepted()),
            Err(error) => match self.state.refused(request) {
                (true, duty) => (Err(NotRequested::Ddi(error)), duty),
                // The routine was called all the same, or somebody cancelled: the request is dealt with.
                (false, duty) => (Ok(()), duty),
            },
        };
        (result, self.discharge(ddi, duty))
    }

    /// Cancels what is requested: its routine will not run. False if there is nothing, or the routine has begun.
    pub fn cancel(&self, ddi: &impl TimerDdi, generation: Generation) -> (bool, Reference) {
        match self.state.cancel(generation) {
            Some(duty) => (true, self.discharge(ddi, duty)),
            None => (false, Reference::Keep),
        }
    }

    /// The routine of `request` begins; false if there is nothing to run. [`TimerSlot::end_run`] follows.
    #[must_use]
    pub fn begin_run(&self, request: Request) -> bool {
        self.state.begin_run(request)
    }

    /// The routine ends.
    pub fn end_run(&self, ddi: &impl TimerDdi) -> Reference {
        self.discharge(ddi, self.state.end_run())
    }

    /// Closes the slot: what is requested is cancelled, and the last to leave frees the timer.
    pub fn close(&self, ddi: &impl TimerDdi, generation: Generation) -> Reference {
        self.discharge(ddi, self.state.close(generation))
    }

    /// Closes the slot for good: the adapter goes.
    pub fn shut(&self, ddi: &impl TimerDdi) -> Reference {
        self.discharge(ddi, self.state.shut())
    }

    /// Frees the timer of a slot that was closed where it could not be freed.
    pub fn collect(&self, ddi: &impl TimerDdi) -> Reference {
        self.discharge(ddi, self.state.collect())
    }

    /// See [`super::Slot::reopen`].
    pub fn reopen(&self) {
        self.state.reopen();
    }

    fn discharge(&self, ddi: &impl TimerDdi, duty: Duty) -> Reference {
        let duty = if duty == Duty::Cancel {
            // What it answers changes nothing: the request reaches nobody any more.
            let _ = ddi.cancel(self.timer.load(Ordering::Acquire));
            self.state.cancelled()
        } else {
            duty
        };
        if duty != Duty::Free {
            return Reference::Keep;
        }
        if ddi.in_routine() && self.state.defer() {
            return Reference::Keep;
        }
        if !ddi.may_free() {
            if self.state.defer() {
                return Reference::Keep;
            }
            // Removal has been here already.
            self.state.retire();
            return Reference::Drop;
        }
        match FreeTimerError::check(ddi.free(self.timer.load(Ordering::Acquire))) {
            Ok(()) | Err(FreeTimerError::AlreadyFree) => self.state.freed(),
            // There may be memory when the adapter is removed.
            Err(FreeTimerError::InsufficientResources) if self.state.defer() => return Reference::Keep,
            // Nobody comes later to try again: the port driver's object is leaked, and removal goes on.
            Err(_) => self.state.retire(),
        }
        Reference::Drop
    }

    /// As [`super::Slot::reclaim`].
    #[cfg(loom)]
    pub fn reclaim(&mut self) {
        self.state.reclaim();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Has no memory for so many frees.
    struct Short(core::cell::Cell<u32>);

    /// A timer's own routine, where nothing is freed.
    struct Routine;

    impl TimerDdi for Routine {
        fn initialize(&self, _: &mut *mut c_void) -> u32 {
            unreachable!()
        }

        fn request(&self, _: *mut c_void, _: Request, _: u64, _: u64) -> u32 {
            unreachable!()
        }

        fn cancel(&self, _: *mut c_void) -> u32 {
            unreachable!()
        }

        fn may_free(&self) -> bool {
            true
        }

        fn in_routine(&self) -> bool {
            true
        }

        fn free(&self, _: *mut c_void) -> u32 {
            panic!("a timer is freed in its own routine")
        }
    }

    #[test]
    fn a_timer_that_closes_in_its_routine_is_freed_by_who_comes_later() {
        for by_removal in [false, true] {
            let port = Short(core::cell::Cell::new(0));
            let slot = TimerSlot::default();
            let generation = slot.allocate().unwrap();
            slot.initialize(&port).unwrap();
            slot.request(&port, generation, 1, 0).0.unwrap();
            assert!(slot.begin_run(slot.state.latest()));
            assert_eq!(slot.close(&Routine, generation), Reference::Keep);
            assert_eq!(slot.collect(&port), Reference::Keep, "it still runs");
            assert_eq!(slot.end_run(&Routine), Reference::Keep);
            assert_eq!(slot.allocate(), None, "it is not made again meanwhile");
            let freed = if by_removal {
                slot.shut(&port)
            } else {
                slot.collect(&port)
            };
            assert_eq!(freed, Reference::Drop);
            assert!(slot.state.is_vacant());
            assert_eq!(slot.collect(&port), Reference::Keep);
        }
    }

    impl TimerDdi for Short {
        fn initialize(&self, timer: &mut *mut c_void) -> u32 {
            *timer = core::ptr::without_provenance_mut(1);
            crate::status::SUCCESS
        }

        fn request(&self, _: *mut c_void, _: Request, _: u64, _: u64) -> u32 {
            crate::status::SUCCESS
        }

        fn cancel(&self, _: *mut c_void) -> u32 {
            crate::status::SUCCESS
        }

        fn may_free(&self) -> bool {
            true
        }

        fn free(&self, _: *mut c_void) -> u32 {
            let left = self.0.get();
            self.0.set(left.saturating_sub(1));
            if left == 0 {
                crate::status::SUCCESS
            } else {
                crate::status::INSUFFICIENT_RESOURCES
            }
        }
    }

    #[test]
    fn a_timer_that_there_was_no_memory_to_free_is_freed_by_removal() {
        let port = Short(core::cell::Cell::new(1));
        let slot = TimerSlot::default();
        let generation = slot.allocate().unwrap();
        slot.initialize(&port).unwrap();
        assert_eq!(slot.close(&port, generation), Reference::Keep);
        assert!(!slot.state.is_vacant(), "it is not made again meanwhile");
        assert_eq!(slot.shut(&port), Reference::Drop);
        assert!(slot.state.is_vacant());
    }

    #[test]
    fn a_delay_is_never_shortened_and_never_cancels() {
        assert_eq!(delay_microseconds(Duration::ZERO), 1);
        assert_eq!(delay_microseconds(Duration::from_nanos(1)), 1);
        assert_eq!(delay_microseconds(Duration::from_micros(7)), 7);
        assert_eq!(delay_microseconds(Duration::from_nanos(7_001)), 8);
        assert_eq!(delay_microseconds(Duration::MAX), 922_337_203_685_477_580);
    }

    #[test]
    fn a_tolerable_delay_is_never_lengthened() {
        assert_eq!(tolerable_microseconds(Duration::from_nanos(999)), 0);
        assert_eq!(tolerable_microseconds(Duration::from_nanos(32_999)), 32);
        assert_eq!(tolerable_microseconds(Duration::MAX), u64::MAX);
    }
}
