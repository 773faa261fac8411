//! Work items: `StorPortInitializeWorker`, `StorPortQueueWorkItem`, `StorPortFreeWorker`, `HwStorWorkItem`.
//!
//! A worker is a framework-owned slot in the device extension; a [`Worker`] is an index with a generation and has
//! no drop glue, so forgetting one is harmless: removal closes it. The payload is moved into the slot before the
//! DDI is called, and comes back if the call refuses.

use core::{
    cell::UnsafeCell,
    ffi::c_void,
    marker::PhantomData,
    mem::MaybeUninit,
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

use wdk_sys::PVOID;

use crate::{
    brand::Brand,
    context::{AtMostDispatch, Context, Exclusion, Running, WorkItem},
    extension::{Extension, SlotTable},
    ffi,
    miniport::Miniport,
    slot::{Generation, Refused, Release, Slot},
    status::{FreeWorkerError, InitializeWorkerError, QueueWorkItemError},
};

/// Largest payload of a work item, in bytes.
pub const MAX_PAYLOAD: usize = 64;

/// A kind of work done at PASSIVE_LEVEL in a system worker thread.
///
/// The value is the payload: what is handed from whoever queues to the callback. Worker threads are shared by the
/// whole system: be short, and let no I/O wait for it.
pub trait Work<M: Miniport>: Sized + Send + 'static {
    /// `HwStorWorkItem`. PASSIVE_LEVEL, no lock held. The worker may be queued again from here, or closed.
    fn run<'dev>(
        self,
        cx: &mut WorkItem<'dev, M>,
        adapter: &'dev M::Adapter<'dev>,
        worker: Worker<'dev, M, Self>,
    );
}

/// A worker for work of kind `W`.
pub struct Worker<'dev, M, W> {
    index: u32,
    generation: Generation,
    kind: Brand<'dev, (M, W)>,
}

impl<M, W> Clone for Worker<'_, M, W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M, W> Copy for Worker<'_, M, W> {}

/// Why there is no worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateWorkerError {
    /// All work-item slots of [`Slots`](crate::miniport::Slots) are taken.
    NoSlot,
    /// The adapter is being removed.
    Removing,
    /// `StorPortInitializeWorker` said so.
    Initialize(InitializeWorkerError),
}

/// Why a work item was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueError {
    /// The worker was closed, or the adapter is being removed.
    Gone,
    /// `HwStorPassiveInitialize` has not ended yet.
    NotStarted,
    /// The worker is queued already.
    Busy,
    /// `StorPortQueueWorkItem` said so.
    Queue(QueueWorkItemError),
}

/// A payload that was not queued, with the reason.
#[derive(Debug)]
pub struct Refusal<W> {
    /// What was to be queued.
    pub payload: W,
    /// Why it was not.
    pub reason: QueueError,
}

/// A work-item slot. All zeroes is vacant.
#[repr(C)]
pub struct WorkSlot {
    pub(crate) state: Slot,
    worker: AtomicPtr<c_void>,
    payload: UnsafeCell<MaybeUninit<[u64; MAX_PAYLOAD / 8]>>,
}

// SAFETY: the payload cell belongs to one party at a time, by the slot's state.
unsafe impl Sync for WorkSlot {}

impl WorkSlot {
    /// Frees the DDI's worker if the caller is the one who shall; true if the slot's rundown reference is to be dropped.
    ///
    /// # Safety
    /// IRQL is at most DISPATCH, and `extension` is the live extension that holds the slot.
    pub(crate) unsafe fn release(&self, extension: PVOID, release: Release) -> bool {
        if release == Release::Keep {
            return false;
        }
        let worker = self.worker.load(Ordering::Acquire);
        // SAFETY: the slot elected this caller to free, so nobody else uses the worker.
        match FreeWorkerError::check(unsafe { ffi::free_worker(extension, worker) }) {
            Ok(()) | Err(FreeWorkerError::AlreadyFree) => self.state.freed(),
            // Nobody comes later to try again: the port driver's object is leaked, and removal goes on.
            Err(_) => self.state.retire(),
        }
        true
    }
}

impl<'dev, M: Miniport, I: AtMostDispatch, X: Exclusion> Context<'dev, M, I, X> {
    /// Makes a worker for work of kind `W` (`StorPortInitializeWorker`).
    ///
    /// # Errors
    /// If no slot is free, the adapter is being removed, or the port driver refuses.
    pub fn create_worker<W: Work<M>>(&self) -> Result<Worker<'dev, M, W>, CreateWorkerError> {
        const {
            assert!(
                size_of::<W>() <= MAX_PAYLOAD,
                "a work item's payload has at most MAX_PAYLOAD bytes"
            );
            assert!(
                align_of::<W>() <= 8,
                "a work item's payload is aligned to 8 bytes at most"
            );
        }
        let extension = self.extension();
        if !extension.header.rundown.acquire() {
            return Err(CreateWorkerError::Removing);
        }
        let mut slots = (0_u32..).zip(extension.table.work_items());
        let free = slots.find_map(|(index, slot)| Some((index, slot, slot.state.allocate()?)));
        let Some((index, slot, generation)) = free else {
            self.release_reference();
            return Err(CreateWorkerError::NoSlot);
        };
        let mut worker = ptr::null_mut();
        // SAFETY: the extension is live; IRQL is at most DISPATCH.
        let status = unsafe { ffi::initialize_worker(self.raw(), &mut worker) };
        if let Err(error) = InitializeWorkerError::check(status) {
            slot.state.abandon();
            self.release_reference();
            return Err(CreateWorkerError::Initialize(error));
        }
        slot.worker.store(worker, Ordering::Release);
        let release = slot.state.created();
        // SAFETY: IRQL is at most DISPATCH; the extension is live.
        if unsafe { slot.release(self.raw(), release) } {
            self.release_reference();
            return Err(CreateWorkerError::Removing);
        }
        Ok(Worker {
            index,
            generation,
            kind: PhantomData,
        })
    }

    /// Closes a worker (`StorPortFreeWorker`, now or when its last callback ends).
    pub fn close_worker<W: Work<M>>(&self, worker: Worker<'dev, M, W>) {
        let extension = self.extension();
        if let Some(slot) = extension.table.work_items().get(worker.index as usize) {
            let release = slot.state.close(worker.generation);
            // SAFETY: IRQL is at most DISPATCH; the extension is live.
            if unsafe { slot.release(self.raw(), release) } {
                self.release_reference();
            }
        }
    }
}

impl<'dev, M: Miniport, I: AtMostDispatch, X: Running> Context<'dev, M, I, X> {
    /// Queues `payload` for `worker` (`StorPortQueueWorkItem`).
    ///
    /// # Errors
    /// Whoever is refused gets the payload back, with the reason.
    pub fn queue<W: Work<M>>(&self, worker: Worker<'dev, M, W>, payload: W) -> Result<(), Refusal<W>> {
        let extension = self.extension();
        if !extension.header.started.is_open() {
            return Err(Refusal {
                payload,
                reason: QueueError::NotStarted,
            });
        }
        let slot = extension.table.work_items().get(worker.index as usize);
        let Some(slot) = slot.filter(|_| !extension.header.rundown.is_closed()) else {
            return Err(Refusal {
                payload,
                reason: QueueError::Gone,
            });
        };
        if let Err(refused) = slot.state.begin_publish(worker.generation) {
            let reason = match refused {
                Refused::Busy => QueueError::Busy,
                Refused::Gone => QueueError::Gone,
            };
            return Err(Refusal { payload, reason });
        }
        // SAFETY: publishing makes this caller the owner of the cell, which is large and aligned enough for W.
        unsafe { slot.payload.get().cast::<W>().write(payload) };
        let reason = if slot.state.publish() {
            // SAFETY: the worker is not freed before this call is declared over; the slot is the context and lives until
            // the callback ran.
            let status = unsafe {
                ffi::queue_work_item(
                    self.raw(),
                    Some(run::<M, W>),
                    slot.worker.load(Ordering::Acquire),
                    ptr::from_ref(slot).cast_mut().cast(),
                )
            };
            match QueueWorkItemError::check(status) {
                // If the callback ran in spite of a refusal, the payload was delivered.
                Err(error) if slot.state.retract() => QueueError::Queue(error),
                _ => {
                    self.end_queueing(slot, slot.state.called());
                    return Ok(());
                }
            }
        } else {
            QueueError::Gone
        };
        // SAFETY: retracting, or not publishing, made this caller the owner of the cell; what was written above is in it.
        let payload = unsafe { slot.payload.get().cast::<W>().read() };
        self.end_queueing(slot, slot.state.retracted());
        Err(Refusal { payload, reason })
    }

    /// Does what the end of a DDI call leaves to this caller.
    fn end_queueing(&self, slot: &WorkSlot, release: Release) {
        // SAFETY: IRQL is at most DISPATCH; the extension is live.
        if unsafe { slot.release(self.raw(), release) } {
            self.release_reference();
        }
    }
}

/// `HwStorWorkItem` for work of kind `W`.
///
/// # Safety
/// Called by the port driver as queued by [`Context::queue`].
unsafe extern "C" fn run<M: Miniport, W: Work<M>>(extension: PVOID, context: PVOID, _worker: PVOID) {
    // SAFETY: the slot lies in the device extension, which a rundown reference keeps alive.
    let slot = unsafe { &*context.cast::<WorkSlot>() };
    if !slot.state.begin_run() {
        return;
    }
    // SAFETY: beginning the run made this callback the owner of the cell; `queue` wrote a W into it.
    let payload = unsafe { slot.payload.get().cast::<W>().read() };
    slot.state.payload_taken();
    // SAFETY: the slot keeps the extension alive until `end_run`.
    let live = unsafe { Extension::<M>::from_raw(extension) };
    deliver(live, slot, payload);
    let release = slot.state.end_run();
    // SAFETY: PASSIVE_LEVEL; if this caller is to free, its rundown reference still keeps the extension alive.
    if unsafe { slot.release(extension, release) } {
        // SAFETY: the slot's reference, and nothing of the extension is used after this.
        unsafe { Extension::<M>::release_reference(extension) };
    }
}

/// Runs the payload, or drops it if the adapter is being removed. Either way it is gone before the run ends.
fn deliver<'dev, M: Miniport, W: Work<M>>(live: &'dev Extension<'dev, M>, slot: &WorkSlot, payload: W) {
    if live.header.rundown.is_closed() {
        return;
    }
    let mut slots = (0_u32..).zip(live.table.work_items());
    let Some((index, _)) = slots.find(|(_, other)| ptr::eq(*other, slot)) else {
        return;
    };
    let worker = Worker {
        index,
        // The run keeps the slot from being freed.
        generation: slot.state.generation(),
        kind: PhantomData,
    };
    // SAFETY: HwStorWorkItem runs at PASSIVE_LEVEL without a lock.
    let mut cx = unsafe { Context::new(live) };
    let adapter = cx.adapter();
    payload.run(&mut cx, adapter, worker);
}
