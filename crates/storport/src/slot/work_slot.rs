//! What each call of a work item does, in order: publish, call the DDI, take back or run, free.

use core::{ffi::c_void, mem::MaybeUninit};

use super::{Generation, Reference, Refused, Release, work_state::WorkState};
use crate::{
    status::{FreeWorkerError, InitializeWorkerError, QueueWorkItemError},
    sync::{AtomicPtr, Ordering, UnsafeCell},
};

/// Largest payload of a work item, in bytes.
pub const MAX_PAYLOAD: usize = 64;

/// The DDI's half of work items. IRQL at most `DISPATCH_LEVEL` throughout.
pub trait WorkerDdi {
    /// `StorPortInitializeWorker`; the worker is stored at the place given.
    fn initialize(&self, worker: &mut *mut c_void) -> u32;
    /// `StorPortQueueWorkItem`, with the slot's index as context.
    fn queue(&self, worker: *mut c_void) -> u32;
    /// `StorPortFreeWorker`.
    fn free(&self, worker: *mut c_void) -> u32;
}

/// Why a slot queued nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotQueued {
    /// The slot refused.
    Slot(Refused),
    /// `StorPortQueueWorkItem` refused.
    Ddi(QueueWorkItemError),
}

/// A work-item slot. All zeroes is vacant.
#[derive(Debug)]
#[repr(C)]
pub struct WorkSlot {
    state: WorkState,
    worker: AtomicPtr<c_void>,
    payload: UnsafeCell<MaybeUninit<[u64; MAX_PAYLOAD / 8]>>,
}

// SAFETY: the payload cell belongs to one party at a time, by the slot's state, and payloads are `Send`.
unsafe impl Sync for WorkSlot {}
// SAFETY: as above.
unsafe impl Send for WorkSlot {}

impl Default for WorkSlot {
    fn default() -> Self {
        Self {
            state: WorkState::default(),
            worker: AtomicPtr::default(),
            payload: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }
}

impl WorkSlot {
    /// Claims the slot; [`WorkSlot::initialize`] follows. The caller has a rundown reference for it.
    pub fn allocate(&self) -> Option<Generation> {
        self.state.allocate()
    }

    /// Makes the worker of a slot that was allocated.
    ///
    /// # Errors
    /// `Some`: the DDI refused. `None`: the adapter goes, the worker is freed already. Either way the caller drops the
    /// slot's rundown reference.
    pub fn initialize(&self, ddi: &impl WorkerDdi) -> Result<(), Option<InitializeWorkerError>> {
        let mut worker = core::ptr::null_mut();
        if let Err(error) = InitializeWorkerError::check(ddi.initialize(&mut worker)) {
            self.state.abandon();
            return Err(Some(error));
        }
        self.worker.store(worker, Ordering::Release);
        match self.release(ddi, self.state.created()) {
            Reference::Keep => Ok(()),
            Reference::Drop => Err(None),
        }
    }

    /// Queues `payload`, or gives it back with the reason.
    ///
    /// # Safety
    /// The callback of every publication of this generation takes a `W`.
    pub unsafe fn queue<W: Send + 'static>(
        &self,
        ddi: &impl WorkerDdi,
        generation: Generation,
        payload: W,
    ) -> (Result<(), (W, NotQueued)>, Reference) {
        const {
            assert!(
                size_of::<W>() <= MAX_PAYLOAD && align_of::<W>() <= 8,
                "the payload does not fit"
            );
        }
        if let Err(refused) = self.state.begin_publish(generation) {
            return (Err((payload, NotQueued::Slot(refused))), Reference::Keep);
        }
        self.payload.with_mut(|cell| {
            // SAFETY: publishing makes this caller the owner of the cell, which is large and aligned enough for W.
            unsafe { cell.cast::<W>().write(payload) };
        });
        let reason = if self.state.publish() {
            match QueueWorkItemError::check(ddi.queue(self.worker.load(Ordering::Acquire))) {
                // If the callback ran in spite of a refusal, the payload was delivered.
                Err(error) if self.state.retract() => NotQueued::Ddi(error),
                _ => return (Ok(()), self.release(ddi, self.state.called())),
            }
        } else {
            NotQueued::Slot(Refused::Gone)
        };
        // SAFETY: retracting, or not publishing, made this caller the owner of the cell with what was written above.
        let payload = self.payload.with(|cell| unsafe { cell.cast::<W>().read() });
        let reference = self.release(ddi, self.state.retracted());
        (Err((payload, reason)), reference)
    }

    /// The callback begins: takes the payload, after which the slot can be queued again. `None` is a stray callback;
    /// otherwise [`WorkSlot::end_run`] follows.
    ///
    /// # Safety
    /// What is published is a `W`.
    #[must_use]
    pub unsafe fn begin_run<W: Send + 'static>(&self) -> Option<(W, Generation)> {
        if !self.state.begin_run() {
            return None;
        }
        // SAFETY: beginning the run made this callback the owner of the cell, in which a W was published.
        let payload = self.payload.with(|cell| unsafe { cell.cast::<W>().read() });
        self.state.payload_taken();
        // The run keeps the slot from being freed, so that this is still its generation.
        Some((payload, self.state.generation()))
    }

    /// The callback ends. Its payload is gone by now.
    pub fn end_run(&self, ddi: &impl WorkerDdi) -> Reference {
        self.release(ddi, self.state.end_run())
    }

    /// Closes the slot: nothing is queued any more; what is queued runs, and the last to leave frees the worker.
    pub fn close(&self, ddi: &impl WorkerDdi, generation: Generation) -> Reference {
        self.release(ddi, self.state.close(generation))
    }

    /// Closes the slot for good: the adapter goes.
    pub fn shut(&self, ddi: &impl WorkerDdi) -> Reference {
        self.release(ddi, self.state.shut())
    }

    /// See [`super::Slot::reopen`].
    pub fn reopen(&self) {
        self.state.reopen();
    }

    /// Frees the worker if the caller is the one who shall.
    fn release(&self, ddi: &impl WorkerDdi, release: Release) -> Reference {
        if release == Release::Keep {
            return Reference::Keep;
        }
        match FreeWorkerError::check(ddi.free(self.worker.load(Ordering::Acquire))) {
            Ok(()) | Err(FreeWorkerError::AlreadyFree) => self.state.freed(),
            // Nothing is queued here, yet the port driver is not done with it: removal tries again.
            Err(FreeWorkerError::Busy) if self.state.defer() => return Reference::Keep,
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
    use core::cell::Cell;

    use super::*;
    use crate::status::{BUSY, SUCCESS};

    /// Says BUSY to so many frees.
    struct Busy {
        times: Cell<u32>,
        frees: Cell<u32>,
    }

    impl WorkerDdi for Busy {
        fn initialize(&self, worker: &mut *mut c_void) -> u32 {
            *worker = core::ptr::without_provenance_mut(1);
            SUCCESS
        }

        fn queue(&self, _: *mut c_void) -> u32 {
            SUCCESS
        }

        fn free(&self, _: *mut c_void) -> u32 {
            self.frees.set(self.frees.get() + 1);
            let left = self.times.get();
            self.times.set(left.saturating_sub(1));
            if left == 0 { SUCCESS } else { BUSY }
        }
    }

    fn busy(times: u32) -> (Busy, WorkSlot, Generation) {
        let port = Busy {
            times: Cell::new(times),
            frees: Cell::new(0),
        };
        let slot = WorkSlot::default();
        let generation = slot.allocate().unwrap();
        slot.initialize(&port).unwrap();
        (port, slot, generation)
    }

    #[test]
    fn a_worker_that_is_busy_when_it_is_closed_is_freed_by_removal() {
        let (port, slot, generation) = busy(1);
        assert_eq!(slot.close(&port, generation), Reference::Keep);
        assert!(!slot.state.is_vacant(), "it is not made again meanwhile");
        assert_eq!(slot.close(&port, generation), Reference::Keep);
        // SAFETY: no other type is queued.
        let (refused, _) = unsafe { slot.queue(&port, generation, 1_u8) };
        assert_eq!(refused, Err((1, NotQueued::Slot(Refused::Gone))));
        assert_eq!(slot.shut(&port), Reference::Drop);
        assert_eq!(port.frees.get(), 2);
        assert!(slot.state.is_vacant());
    }

    #[test]
    fn removal_does_not_wait_for_a_worker_that_stays_busy() {
        let (port, slot, _) = busy(u32::MAX);
        assert_eq!(slot.shut(&port), Reference::Drop);
        assert_eq!(slot.shut(&port), Reference::Keep);
        assert_eq!(port.frees.get(), 1);
    }
}
