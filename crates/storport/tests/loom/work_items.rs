//! Work items: queue, run, requeue, close, remove.

use core::{
    ffi::c_void,
    sync::atomic::{
        AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
    },
};
use std::sync::Arc as Plain;

use loom::{
    cell::UnsafeCell,
    sync::{Arc, atomic::AtomicBool},
    thread,
};
use storport::{
    slot::{
        Generation, Refused,
        work_slot::{NotQueued, WorkerDdi},
    },
    status::{self, QueueWorkItemError},
};

use crate::{adapter::Adapter, explore};

/// `storport.sys` and its system threads: a worker is queued from the call until its callback begins, which sees
/// what was written before the call. No other order is promised.
struct Port {
    adapter: Arc<Adapter>,
    queued: AtomicBool,
    /// The DDI's object: used by each call, gone with the free.
    object: UnsafeCell<()>,
    frees: AtomicUsize,
    /// The device is being removed: queueing is refused.
    refuses: bool,
}

impl WorkerDdi for Port {
    fn initialize(&self, worker: &mut *mut c_void) -> u32 {
        *worker = core::ptr::without_provenance_mut(1);
        status::SUCCESS
    }

    fn queue(&self, worker: *mut c_void) -> u32 {
        assert_eq!(worker.addr(), 1);
        self.object.with(|_| ());
        let answer = if self.refuses {
            status::INVALID_DEVICE_STATE
        } else if self.queued.swap(true, Release) {
            status::BUSY
        } else {
            status::SUCCESS
        };
        // The call may touch the object to its end.
        self.object.with(|_| ());
        answer
    }

    fn free(&self, worker: *mut c_void) -> u32 {
        assert_eq!(worker.addr(), 1);
        self.object.with_mut(|_| ());
        assert_eq!(self.frees.fetch_add(1, Relaxed), 0, "freed twice");
        assert!(!self.queued.swap(false, Relaxed), "freed while queued");
        status::SUCCESS
    }
}

/// What became of the payloads.
#[derive(Default)]
struct Fate {
    made: AtomicUsize,
    runs: AtomicUsize,
    dropped: AtomicUsize,
}

struct Payload {
    fate: Plain<Fate>,
    /// How often its run queues another.
    again: usize,
}

impl Payload {
    fn new(fate: &Plain<Fate>, again: usize) -> Self {
        fate.made.fetch_add(1, Relaxed);
        Self {
            fate: fate.clone(),
            again,
        }
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        self.fate.dropped.fetch_add(1, Relaxed);
    }
}

#[derive(Clone)]
struct World {
    adapter: Arc<Adapter>,
    port: Arc<Port>,
    fate: Plain<Fate>,
    generation: Generation,
}

impl World {
    fn new(refuses: bool) -> Self {
        let adapter = Adapter::new();
        let port = Arc::new(Port {
            adapter: adapter.clone(),
            queued: AtomicBool::new(false),
            object: UnsafeCell::new(()),
            frees: AtomicUsize::new(0),
            refuses,
        });
        assert!(adapter.extension().rundown.acquire());
        let slot = &adapter.extension().work;
        let generation = slot.allocate().unwrap();
        slot.initialize(&*port).unwrap();
        Self {
            adapter,
            port,
            fate: Plain::default(),
            generation,
        }
    }

    /// Queues a payload; true if it was taken.
    fn queue(&self, again: usize) -> Result<(), NotQueued> {
        let slot = &self.adapter.extension().work;
        let payload = Payload::new(&self.fate, again);
        // SAFETY: all payloads are of this type.
        let (result, reference) = unsafe { slot.queue(&*self.port, self.generation, payload) };
        self.adapter.settle(reference);
        result.map_err(|(_, reason)| reason)
    }

    /// A system thread looks for work: the callback.
    fn work(&self) -> bool {
        if !self.port.queued.swap(false, Acquire) {
            return false;
        }
        let slot = &self.port.adapter.extension().work;
        // SAFETY: all payloads are of this type.
        let Some((payload, generation)) = (unsafe { slot.begin_run::<Payload>() }) else {
            panic!("each accepted call has its run");
        };
        assert_eq!(generation, self.generation);
        self.fate.runs.fetch_add(1, Relaxed);
        if payload.again > 0 {
            let _ = self.queue(payload.again - 1);
        }
        drop(payload);
        self.adapter.memory.with(|_| ());
        self.port.object.with(|_| ());
        let reference = slot.end_run(&*self.port);
        self.adapter.settle(reference);
        true
    }

    fn remove(&self) {
        self.adapter
            .remove(|extension| self.adapter.settle(extension.work.shut(&*self.port)));
    }

    /// Runs what is left and judges an adapter that was removed.
    fn end(&self, most: usize) {
        let mut runs = 0;
        while self.work() {
            runs += 1;
            assert!(runs <= most);
        }
        assert!(self.adapter.is_removed(), "a reference is left");
        assert_eq!(self.port.frees.load(Relaxed), 1, "the worker is leaked");
        self.judge_payloads();
    }

    fn judge_payloads(&self) {
        let made = self.fate.made.load(Relaxed);
        assert_eq!(
            self.fate.dropped.load(Relaxed),
            made,
            "each payload is dropped once"
        );
    }
}

#[test]
fn an_item_is_queued_and_run_while_the_adapter_is_removed() {
    explore(3, || {
        let world = World::new(false);
        let (queuer, runner) = (world.clone(), world.clone());
        world.adapter.callback();
        let queuer = thread::spawn(move || {
            let _ = queuer.queue(0);
            queuer.adapter.release();
        });
        let runner = thread::spawn(move || runner.work());
        world.remove();
        queuer.join().unwrap();
        runner.join().unwrap();
        world.end(1);
    });
}

#[test]
fn an_item_queues_itself_while_its_first_call_still_returns_and_the_adapter_is_removed() {
    explore(2, || {
        let world = World::new(false);
        let (queuer, runner) = (world.clone(), world.clone());
        world.adapter.callback();
        let queuer = thread::spawn(move || {
            let _ = queuer.queue(1);
            queuer.adapter.release();
        });
        let runner = thread::spawn(move || {
            runner.work();
            runner.work();
        });
        world.remove();
        queuer.join().unwrap();
        runner.join().unwrap();
        world.end(2);
    });
}

#[test]
fn of_two_queuers_each_that_is_accepted_has_its_run() {
    explore(3, || {
        let world = World::new(false);
        let (other, runner) = (world.clone(), world.clone());
        let other = thread::spawn(move || usize::from(other.queue(0).is_ok()));
        let runner = thread::spawn(move || runner.work());
        let first = world.queue(0);
        assert!(matches!(first, Ok(()) | Err(NotQueued::Slot(Refused::Busy))));
        let accepted = usize::from(first.is_ok()) + other.join().unwrap();
        assert!(accepted > 0);
        runner.join().unwrap();
        while world.work() {}
        assert_eq!(world.fate.runs.load(Relaxed), accepted);
        world.judge_payloads();
    });
}

#[test]
fn a_refused_item_gives_its_payload_back_while_the_adapter_is_removed() {
    explore(3, || {
        let world = World::new(true);
        let queuer = world.clone();
        world.adapter.callback();
        let queuer = thread::spawn(move || {
            let gone = NotQueued::Slot(Refused::Gone);
            let refused = NotQueued::Ddi(QueueWorkItemError::InvalidDeviceState);
            let reason = queuer.queue(0).unwrap_err();
            assert!(reason == gone || reason == refused);
            queuer.adapter.release();
        });
        world.remove();
        queuer.join().unwrap();
        world.end(0);
        assert_eq!(world.fate.runs.load(Relaxed), 0);
    });
}

#[test]
fn an_item_is_closed_while_it_is_queued_and_run() {
    explore(3, || {
        let world = World::new(false);
        let (closer, runner) = (world.clone(), world.clone());
        world.adapter.callback();
        world.queue(0).unwrap();
        let closer = thread::spawn(move || {
            let reference = closer
                .adapter
                .extension()
                .work
                .close(&*closer.port, closer.generation);
            closer.adapter.settle(reference);
            assert_eq!(
                closer.queue(0),
                Err(NotQueued::Slot(Refused::Gone)),
                "no resurrection"
            );
            closer.adapter.release();
        });
        let runner = thread::spawn(move || runner.work());
        world.remove();
        closer.join().unwrap();
        runner.join().unwrap();
        world.end(1);
        assert_eq!(world.fate.runs.load(Relaxed), 1, "what was accepted runs");
    });
}

#[test]
fn a_worker_that_is_made_while_the_adapter_is_removed_is_freed() {
    explore(3, || {
        let adapter = Adapter::new();
        let port = Arc::new(Port {
            adapter: adapter.clone(),
            queued: AtomicBool::new(false),
            object: UnsafeCell::new(()),
            frees: AtomicUsize::new(0),
            refuses: false,
        });
        let maker = {
            adapter.callback();
            let (adapter, port) = (adapter.clone(), port.clone());
            thread::spawn(move || {
                let extension = adapter.extension();
                let mut made = 0;
                if extension.rundown.acquire() {
                    match extension
                        .work
                        .allocate()
                        .map(|_| extension.work.initialize(&*port))
                    {
                        Some(Ok(())) => made = 1,
                        Some(Err(None)) => {
                            made = 1;
                            adapter.release();
                        }
                        None => adapter.release(),
                        Some(Err(Some(error))) => panic!("{error:?}"),
                    }
                }
                adapter.release();
                made
            })
        };
        adapter.remove(|extension| adapter.settle(extension.work.shut(&*port)));
        assert_eq!(maker.join().unwrap(), port.frees.load(Relaxed));
        assert!(adapter.is_removed());
    });
}
