//! DPCs: issue, run, issue again, remove.

use core::sync::atomic::{AtomicUsize as PlainUsize, Ordering::Relaxed as Counted};

use loom::{
    cell::UnsafeCell,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    thread,
};
use storport::slot::{
    Reference,
    dpc_slot::{self, DpcDdi},
};

use crate::{adapter::Adapter, explore};

/// The kernel: a DPC that is queued ignores another request, and leaves the queue before its routine begins.
struct Port {
    queued: AtomicBool,
    refusals: PlainUsize,
}

impl DpcDdi for Port {
    fn issue(&self) -> bool {
        let refused = self.queued.swap(true, Release);
        self.refusals.fetch_add(usize::from(refused), Counted);
        !refused
    }
}

#[derive(Clone)]
struct World {
    adapter: Arc<Adapter>,
    port: Arc<Port>,
    /// State that belongs to the routine.
    state: Arc<UnsafeCell<usize>>,
    wanted: Arc<AtomicUsize>,
}

impl World {
    fn new() -> Self {
        Self {
            adapter: Adapter::new(),
            port: Arc::new(Port {
                queued: AtomicBool::new(false),
                refusals: PlainUsize::new(0),
            }),
            state: Arc::new(UnsafeCell::new(0)),
            wanted: Arc::new(AtomicUsize::new(0)),
        }
    }

    fn issue(&self) -> bool {
        let extension = self.adapter.extension();
        let (issued, reference) = dpc_slot::issue(&extension.dpc, &extension.rundown, &*self.port);
        self.adapter.settle(reference);
        issued
    }

    fn want(&self) -> bool {
        self.wanted.fetch_add(1, Relaxed);
        self.issue()
    }

    /// A processor drains its DPC queue.
    fn run(&self) -> bool {
        if !self.port.queued.swap(false, Acquire) {
            return false;
        }
        let extension = self.adapter.extension();
        let work = || {
            let wanted = self.wanted.load(Relaxed);
            // SAFETY: one routine at a time, which loom checks.
            self.state.with_mut(|served| unsafe { *served = wanted });
        };
        let reference = dpc_slot::run(&extension.dpc, &extension.rundown, &*self.port, work);
        if reference == Reference::Drop {
            self.adapter.release();
        }
        true
    }
}

#[test]
fn no_issue_is_lost_and_routines_do_not_overlap() {
    explore(3, || {
        let world = World::new();
        let (other, processor) = (world.clone(), world.clone());
        let other = thread::spawn(move || assert!(other.want()));
        let processor = thread::spawn(move || {
            processor.run();
            processor.run();
        });
        assert!(world.want());
        other.join().unwrap();
        processor.join().unwrap();
        while world.run() {}
        // SAFETY: all threads have ended.
        assert_eq!(
            world.state.with(|served| unsafe { *served }),
            2,
            "the last run saw everything"
        );
        assert_eq!(
            world.port.refusals.load(Counted),
            0,
            "the kernel never ignored a request"
        );
    });
}

#[test]
fn two_processors_run_one_dpc_one_after_the_other() {
    explore(3, || {
        let world = World::new();
        assert!(world.want());
        let (first, second) = (world.clone(), world.clone());
        let first = thread::spawn(move || first.run());
        let second = thread::spawn(move || second.run());
        assert!(world.want());
        first.join().unwrap();
        second.join().unwrap();
        while world.run() {}
        // SAFETY: all threads have ended.
        assert_eq!(world.state.with(|served| unsafe { *served }), 2);
        assert_eq!(world.port.refusals.load(Counted), 0);
    });
}

#[test]
fn an_adapter_goes_when_its_dpcs_have_run() {
    explore(3, || {
        let world = World::new();
        let (issuer, processor) = (world.clone(), world.clone());
        world.adapter.callback();
        let issuer = thread::spawn(move || {
            issuer.want();
            issuer.adapter.release();
        });
        let processor = thread::spawn(move || processor.run());
        world.adapter.remove(|_| ());
        issuer.join().unwrap();
        processor.join().unwrap();
        let was_removed = world.adapter.is_removed();
        let ran = world.run();
        assert!(!(was_removed && ran), "its object lies in the extension");
        assert!(!world.run());
        assert!(world.adapter.is_removed(), "a reference is left");
    });
}
