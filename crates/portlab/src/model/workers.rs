//! Work items: `StorPortInitializeWorker`, `StorPortQueueWorkItem`, `StorPortFreeWorker`.
//!
//! A worker is *queued* from the successful call until its callback starts, so the callback may queue it again
//! or free it. DDI pages: `StorPortQueueWorkItem`, `HwStorWorkItem` and their kin.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;

use super::{
    activity::Activity, adapter::Phase, capture, limits::status, machine::Machine, options::EngineKind,
    request::Leak, rules,
};
use crate::{
    abi::{GuestAddress, codes::stor_status, entry::Routine, exports::Arguments, guest},
    engine::Irql,
};

#[derive(Debug, Clone, Copy, Default)]
struct Worker {
    queued: bool,
    running: u32,
    freed: bool,
}

/// Handles are addresses that nothing is mapped at: whoever follows one faults.
const FIRST_HANDLE: GuestAddress = 0x0000_7A10_0000_0000;
/// One work item in so many has to wait for a thread; for how long, in the host's time and in virtual time.
const SLOW: u64 = 4;
const SLOW_REALLY: Duration = Duration::from_millis(10);
const SLOW_VIRTUALLY: Duration = Duration::from_millis(300);

#[derive(Default)]
pub(super) struct Workers {
    table: Mutex<BTreeMap<GuestAddress, Worker>>,
    /// The system's threads have other things to do: what is queued stays queued.
    held: AtomicBool,
    /// Work items that have come to a thread.
    begun: AtomicU64,
}

impl Workers {
    /// Keeps queued work items from beginning, or lets them go.
    pub(super) fn hold(&self, held: bool) {
        self.held.store(held, Ordering::Release);
    }

    fn are_held(&self) -> bool {
        self.held.load(Ordering::Acquire)
    }

    /// Queued or running callbacks.
    pub(super) fn busy(&self) -> usize {
        self.table
            .lock()
            .values()
            .filter(|worker| worker.queued || worker.running > 0)
            .count()
    }

    /// Workers that are not freed.
    pub(super) fn present(&self) -> Vec<capture::Worker> {
        let table = self.table.lock();
        let present = table.iter().filter(|(_, worker)| !worker.freed);
        present
            .map(|(&handle, worker)| capture::Worker {
                handle,
                queued: worker.queued,
                running: worker.running,
            })
            .collect()
    }

    /// Workers never freed; they are forgotten.
    pub(super) fn drain_leaks(&self) -> Vec<Leak> {
        let table = std::mem::take(&mut *self.table.lock());
        table
            .into_iter()
            .filter(|(_, worker)| !worker.freed)
            .map(|(handle, worker)| Leak {
                kind: "worker",
                what: format!("{handle:#x}{}", if worker.queued { ", still queued" } else { "" }),
            })
            .collect()
    }
}

impl Machine {
    /// `StorPortInitializeWorker(HwDeviceExtension, Worker)`.
    pub(super) fn initialize_worker(&self, arguments: Arguments) -> u32 {
        let (extension, out) = (arguments.pointer(1), arguments.pointer(2));
        status((|| {
            self.dispatch_limited(extension)?;
            self.not_null("Worker", out)?;
            self.resources()?;
            let handle = {
                let mut table = self.workers.table.lock();
                let handle = table
                    .last_key_value()
                    .map_or(FIRST_HANDLE, |(&last, _)| last + 0x10);
                table.insert(handle, Worker::default());
                handle
            };
            guest::write(out, &handle);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortQueueWorkItem(HwDeviceExtension, WorkItemCallback, Worker, Context)`.
    pub(super) fn queue_work_item(self: &Arc<Self>, arguments: Arguments) -> u32 {
        let (extension, callback) = (arguments.pointer(1), arguments.pointer(2));
        let (handle, context) = (arguments.pointer(3), arguments.pointer(4));
        status((|| {
            self.dispatch_limited(extension)?;
            self.not_null("WorkItemCallback", callback)?;
            self.not_null("Worker", handle)?;
            let routine = Routine::new(callback).ok_or(stor_status::INVALID_PARAMETER)?;
            if matches!(self.phase(), Phase::Removing | Phase::Removed) {
                return Err(stor_status::INVALID_DEVICE_STATE);
            }
            let mark = |worker: &mut Worker| {
                if worker.queued {
                    return Err(stor_status::BUSY);
                }
                worker.queued = true;
                Ok(())
            };
            self.with_worker(handle, mark)?;
            self.counters.work_items_queued();
            let machine = Arc::clone(self);
            self.engine.work(Box::new(move || {
                machine.run_work_item(extension, routine, handle, context);
            }));
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortFreeWorker(HwDeviceExtension, Worker)`.
    pub(super) fn free_worker(&self, arguments: Arguments) -> u32 {
        let (extension, handle) = (arguments.pointer(1), arguments.pointer(2));
        status((|| {
            self.dispatch_limited(extension)?;
            self.not_null("Worker", handle)?;
            let freed_before = self.workers.table.lock().get(&handle).map(|worker| worker.freed);
            if freed_before == Some(true) {
                self.violate(&rules::WORKER_FREED_TWICE, || {
                    format!("worker {handle:#x} is free already")
                });
                return Err(stor_status::UNSUCCESSFUL);
            }
            let free = |worker: &mut Worker| {
                if worker.queued {
                    return Err(stor_status::BUSY);
                }
                worker.freed = true;
                Ok(())
            };
            let result = self.with_worker(handle, free);
            if result == Err(stor_status::BUSY) {
                self.violate(&rules::WORKER_FREED_QUEUED, || {
                    format!("worker {handle:#x} is queued")
                });
            }
            result.map(|()| stor_status::SUCCESS)
        })())
    }

    fn with_worker(
        &self,
        handle: GuestAddress,
        act: impl FnOnce(&mut Worker) -> Result<(), u32>,
    ) -> Result<(), u32> {
        let outcome = {
            let mut table = self.workers.table.lock();
            match table.get_mut(&handle) {
                Some(worker) if !worker.freed => Ok(act(worker)),
                Some(_) => Err("freed"),
                None => Err("unknown"),
            }
        };
        outcome.unwrap_or_else(|what| {
            self.violate(&rules::STATUS_IGNORED_HANDLE, || {
                format!("worker handle {handle:#x} is {what}")
            });
            Err(stor_status::INVALID_PARAMETER)
        })
    }

    fn run_work_item(
        &self,
        extension: GuestAddress,
        routine: Routine,
        handle: GuestAddress,
        context: GuestAddress,
    ) {
        self.engine.wait(Duration::MAX, &mut || {
            !self.workers.are_held() || self.journal.is_down()
        });
        let begun = self.workers.begun.fetch_add(1, Ordering::Relaxed);
        if begun.wrapping_add(self.options.seed).is_multiple_of(SLOW) {
            // The system's threads are busy with something else.
            let delay = match self.options.engine {
                EngineKind::Parallel => SLOW_REALLY,
                EngineKind::Deterministic => SLOW_VIRTUALLY,
            };
            self.engine.wait(delay, &mut || self.journal.is_down());
        }
        {
            let mut table = self.workers.table.lock();
            let Some(worker) = table.get_mut(&handle) else {
                return;
            };
            worker.queued = false;
            worker.running += 1;
        }
        if self.phase() == Phase::Removed {
            self.violate(&rules::WORKER_AFTER_REMOVAL, || {
                format!("worker {handle:#x} was still queued")
            });
        } else {
            self.counters.work_items_run();
            self.call(
                Activity::WorkItem,
                Irql::PASSIVE,
                &[],
                routine,
                &[extension, context, handle],
            );
        }
        if let Some(worker) = self.workers.table.lock().get_mut(&handle) {
            worker.running -= 1;
        }
        self.engine.wake();
    }
}
