//! Work items: `StorPortInitializeWorker`, `StorPortQueueWorkItem`, `StorPortFreeWorker`, `HwStorWorkItem`.
//!
//! A worker is a framework-owned slot in the device extension; a [`Worker`] is an index with a generation and has
//! no drop glue, so forgetting one is harmless: removal closes it. The payload is moved into the slot before the
//! DDI is called, and comes back if the call refuses. [`crate::slot::work_slot`] has the order of it all.

use core::{ffi::c_void, marker::PhantomData, ptr};

use wdk_sys::{PHW_WORKITEM, PVOID};

use crate::{
    brand::Brand,
    context::{AtMostDispatch, Context, Exclusion, Running, WorkItem},
    extension::{Extension, SlotTable},
    ffi,
    miniport::Miniport,
    slot::{
        Generation, Reference, Refused,
        work_slot::{NotQueued, WorkerDdi},
    },
    status::{InitializeWorkerError, QueueWorkItemError},
};

pub use crate::slot::work_slot::MAX_PAYLOAD;

/// A kind of work done at PASSIVE_LEVEL in a system worker thread.
///
/// The value is the payload: what is handed from whoever queues to the callback. Worker threads are shared by the
/// whole system: be short, and let no I/O wait for it.
///
/// The payload is dropped exactly once: by [`Work::run`], or by the framework, at PASSIVE_LEVEL too, if the adapter is
/// removed with the payload queued; or it is given back by the call that was refused.
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

/// The port driver's half, for the slot at `index`.
struct Ddi {
    extension: PVOID,
    callback: PHW_WORKITEM,
    index: u32,
}

impl Ddi {
    /// # Safety
    /// `extension` is live and IRQL at most `DISPATCH_LEVEL` as long as the result is used; `callback` takes what is
    /// published in the slot at `index`.
    const unsafe fn new(extension: PVOID, callback: PHW_WORKITEM, index: u32) -> Self {
        Self {
            extension,
            callback,
            index,
        }
    }
}

impl WorkerDdi for Ddi {
    fn initialize(&self, worker: &mut PVOID) -> u32 {
        // SAFETY: the extension is live; IRQL is at most DISPATCH.
        unsafe { ffi::initialize_worker(self.extension, worker) }
    }

    fn queue(&self, worker: PVOID) -> u32 {
        let context = ptr::without_provenance_mut::<c_void>(self.index as usize);
        // SAFETY: the slot does not free the worker before this call is declared over; the context is no address.
        unsafe { ffi::queue_work_item(self.extension, self.callback, worker, context) }
    }

    fn free(&self, worker: PVOID) -> u32 {
        // SAFETY: the slot elected this caller to free, so nobody else uses the worker.
        unsafe { ffi::free_worker(self.extension, worker) }
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
        let free = slots.find_map(|(index, slot)| Some((index, slot, slot.allocate()?)));
        let Some((index, slot, generation)) = free else {
            self.release_reference();
            return Err(CreateWorkerError::NoSlot);
        };
        // SAFETY: the extension is live and IRQL at most DISPATCH.
        let ddi = unsafe { Ddi::new(self.raw(), None, index) };
        if let Err(refused) = slot.initialize(&ddi) {
            self.release_reference();
            return Err(refused.map_or(CreateWorkerError::Removing, CreateWorkerError::Initialize));
        }
        Ok(Worker {
            index,
            generation,
            kind: PhantomData,
        })
    }

    /// Closes a worker (`StorPortFreeWorker`, now or when its last callback ends).
    pub fn close_worker<W: Work<M>>(&self, worker: Worker<'dev, M, W>) {
        if let Some(slot) = self.extension().table.work_items().get(worker.index as usize) {
            // SAFETY: the extension is live and IRQL at most DISPATCH.
            let ddi = unsafe { Ddi::new(self.raw(), None, worker.index) };
            self.settle(slot.close(&ddi, worker.generation));
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
        // SAFETY: the extension is live and IRQL at most DISPATCH; `run::<M, W>` takes a W.
        let ddi = unsafe { Ddi::new(self.raw(), Some(run::<M, W>), worker.index) };
        // SAFETY: a worker of this generation is of kind W, and so are all its callbacks.
        let (result, reference) = unsafe { slot.queue(&ddi, worker.generation, payload) };
        self.settle(reference);
        result.map_err(|(payload, reason)| Refusal {
            payload,
            reason: match reason {
                NotQueued::Slot(Refused::Busy) => QueueError::Busy,
                NotQueued::Slot(Refused::Gone) => QueueError::Gone,
                NotQueued::Ddi(error) => QueueError::Queue(error),
            },
        })
    }
}

/// `HwStorWorkItem` for work of kind `W`.
///
/// # Safety
/// Called by the port driver as queued by [`Context::queue`].
unsafe extern "C" fn run<M: Miniport, W: Work<M>>(extension: PVOID, context: PVOID, _worker: PVOID) {
    let Ok(index) = u32::try_from(context.addr()) else {
        return;
    };
    // SAFETY: the slot that was queued keeps the extension alive until `end_run`.
    let live = unsafe { Extension::<M>::from_raw(extension) };
    let Some(slot) = live.table.work_items().get(index as usize) else {
        return;
    };
    // SAFETY: the callback that a W was queued with.
    let Some((payload, generation)) = (unsafe { slot.begin_run::<W>() }) else {
        return;
    };
    let worker = Worker {
        index,
        generation,
        kind: PhantomData,
    };
    deliver(live, worker, payload);
    // SAFETY: PASSIVE_LEVEL; the extension is live.
    let ddi = unsafe { Ddi::new(extension, None, index) };
    if slot.end_run(&ddi) == Reference::Drop {
        // SAFETY: the slot's reference, and nothing of the extension is used after this.
        unsafe { Extension::<M>::release_reference(extension) };
    }
}

/// Runs the payload, or drops it if the adapter is being removed. Either way it is gone before the run ends.
fn deliver<'dev, M: Miniport, W: Work<M>>(
    live: &'dev Extension<'dev, M>,
    worker: Worker<'dev, M, W>,
    payload: W,
) {
    if live.header.rundown.is_closed() {
        return;
    }
    // SAFETY: HwStorWorkItem runs at PASSIVE_LEVEL without a lock.
    let mut cx = unsafe { Context::new(live) };
    let adapter = cx.adapter();
    payload.run(&mut cx, adapter, worker);
}

impl<M: Miniport> Extension<'_, M> {
    /// Closes every work item for good; those that are idle are freed now.
    ///
    /// # Safety
    /// IRQL is at most DISPATCH, the rundown is closed, and something besides the slots keeps the extension.
    pub(crate) unsafe fn shut_work_items(&self) {
        for (index, slot) in (0..).zip(self.table.work_items()) {
            // SAFETY: the caller's promise.
            let ddi = unsafe { Ddi::new(self.raw(), None, index) };
            if slot.shut(&ddi) == Reference::Drop {
                // SAFETY: the slot's reference; the caller promises another keeper.
                unsafe { Self::release_reference(self.raw()) };
            }
        }
    }
}
