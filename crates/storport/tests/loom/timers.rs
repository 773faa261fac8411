//! Timers: request, fire, cancel, request again, close, remove.

use core::{
    ffi::c_void,
    sync::atomic::{
        AtomicU64 as PlainU64, AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
    },
};
use std::sync::Arc as Plain;

use loom::{
    cell::UnsafeCell,
    sync::{Arc, atomic::AtomicU64},
    thread,
};
use storport::{
    slot::{
        Generation, Reference, Refused,
        timer_slot::{NotRequested, TimerDdi},
        timer_state::Request,
    },
    status,
};

use crate::{adapter::Adapter, explore};

/// `storport.sys`: a timer is active from the request until its routine is about to be called; a cancel comes too late for
/// that call. The routine sees what was written before the request; no other order is promised.
struct Port {
    /// Context of the active request; 0 for none.
    active: AtomicU64,
    object: UnsafeCell<()>,
    frees: AtomicUsize,
    may_free: bool,
}

impl TimerDdi for Port {
    fn initialize(&self, timer: &mut *mut c_void) -> u32 {
        *timer = core::ptr::without_provenance_mut(1);
        status::SUCCESS
    }

    fn request(&self, timer: *mut c_void, request: Request, delay: u64, _tolerable: u64) -> u32 {
        assert_eq!((timer.addr(), delay), (1, 5));
        self.object.with(|_| ());
        let before = self.active.swap(request.with_index(0), Release);
        assert_eq!(before, 0, "an earlier request is active");
        self.object.with(|_| ());
        status::SUCCESS
    }

    fn cancel(&self, timer: *mut c_void) -> u32 {
        assert_eq!(timer.addr(), 1);
        self.object.with(|_| ());
        self.active.swap(0, Relaxed);
        self.object.with(|_| ());
        status::SUCCESS
    }

    fn may_free(&self) -> bool {
        self.may_free
    }

    fn free(&self, timer: *mut c_void) -> u32 {
        assert_eq!(timer.addr(), 1);
        self.object.with_mut(|_| ());
        assert_eq!(self.frees.fetch_add(1, Relaxed), 0, "freed twice");
        assert_eq!(self.active.swap(0, Relaxed), 0, "freed while active");
        status::SUCCESS
    }
}

/// The same, where the timer's own routine ends.
struct Tail<'a>(&'a Port);

impl TimerDdi for Tail<'_> {
    fn initialize(&self, timer: &mut *mut c_void) -> u32 {
        self.0.initialize(timer)
    }

    fn request(&self, timer: *mut c_void, request: Request, delay: u64, tolerable: u64) -> u32 {
        self.0.request(timer, request, delay, tolerable)
    }

    fn cancel(&self, timer: *mut c_void) -> u32 {
        self.0.cancel(timer)
    }

    fn may_free(&self) -> bool {
        self.0.may_free()
    }

    fn in_routine(&self) -> bool {
        true
    }

    fn free(&self, timer: *mut c_void) -> u32 {
        self.0.free(timer)
    }
}

#[derive(Clone)]
struct World {
    adapter: Arc<Adapter>,
    port: Arc<Port>,
    runs: Plain<AtomicUsize>,
    /// The request that ran last.
    ran: Plain<PlainU64>,
    generation: Generation,
}

impl World {
    fn new() -> Self {
        let adapter = Adapter::new();
        let port = Arc::new(Port {
            active: AtomicU64::new(0),
            object: UnsafeCell::new(()),
            frees: AtomicUsize::new(0),
            may_free: true,
        });
        assert!(adapter.extension().rundown.acquire());
        let slot = &adapter.extension().timer;
        let generation = slot.allocate().unwrap();
        slot.initialize(&*port).unwrap();
        Self {
            adapter,
            port,
            runs: Plain::default(),
            ran: Plain::default(),
            generation,
        }
    }

    fn request(&self) -> Result<(), NotRequested> {
        let slot = &self.adapter.extension().timer;
        let (result, reference) = slot.request(&*self.port, self.generation, 5, 0);
        self.adapter.settle(reference);
        result
    }

    fn cancel(&self) -> bool {
        let (cancelled, reference) = self
            .adapter
            .extension()
            .timer
            .cancel(&*self.port, self.generation);
        self.adapter.settle(reference);
        cancelled
    }

    fn close(&self) {
        let reference = self.adapter.extension().timer.close(&*self.port, self.generation);
        self.adapter.settle(reference);
    }

    /// The time has come: the routine is called, and does `work` if the call is for it. True if one was active.
    fn fire(&self, work: impl FnOnce(&Self)) -> bool {
        // From here the port driver is on its way, and keeps what its call needs.
        if !self.adapter.hold() {
            return false;
        }
        let context = self.port.active.swap(0, Acquire);
        if context != 0 {
            let slot = &self.adapter.extension().timer;
            let (request, index) = Request::and_index(context);
            assert_eq!(index, 0);
            if slot.begin_run(request) {
                self.runs.fetch_add(1, Relaxed);
                self.ran.store(context, Relaxed);
                work(self);
                self.port.object.with(|_| ());
                self.adapter.settle(slot.end_run(&Tail(&self.port)));
            }
        }
        self.adapter.let_go();
        context != 0
    }

    fn shut(&self) -> Reference {
        self.adapter.extension().timer.shut(&*self.port)
    }

    fn remove(&self) {
        self.adapter.remove(|_| self.adapter.settle(self.shut()));
    }

    fn runs(&self) -> usize {
        self.runs.load(Relaxed)
    }

    /// Judges an adapter that was removed.
    fn end(&self) {
        assert!(self.adapter.is_removed(), "a reference is left");
        assert_eq!(self.port.frees.load(Relaxed), 1, "the timer is leaked");
        assert!(!self.fire(|_| panic!("nobody is left to run")));
    }
}

#[test]
fn a_request_runs_or_is_cancelled() {
    explore(3, || {
        let world = World::new();
        let (requester, clock) = (world.clone(), world.clone());
        let requester = thread::spawn(move || requester.request().unwrap());
        let clock = thread::spawn(move || clock.fire(|_| ()));
        let mut cancelled = world.cancel();
        requester.join().unwrap();
        clock.join().unwrap();
        let fired = world.fire(|_| ());
        assert!(
            !(fired && cancelled),
            "the port driver still has what was cancelled"
        );
        cancelled |= world.cancel();
        assert_eq!(
            world.runs(),
            usize::from(!cancelled),
            "it runs once, or is cancelled"
        );
    });
}

#[test]
fn what_was_cancelled_never_runs_and_what_is_requested_then_does() {
    explore(3, || {
        let world = World::new();
        let clock = world.clone();
        world.request().unwrap();
        let first = world.port.active.load(Relaxed);
        let clock = thread::spawn(move || clock.fire(|_| ()));
        let cancelled = world.cancel();
        world.request().unwrap();
        clock.join().unwrap();
        if cancelled {
            assert_ne!(
                world.ran.load(Relaxed),
                first,
                "a call that was on its way reached somebody"
            );
        }
        world.fire(|_| ());
        assert_eq!(world.runs(), 1 + usize::from(!cancelled));
    });
}

#[test]
fn a_cancel_never_hits_a_later_request() {
    explore(3, || {
        let world = World::new();
        let canceller = world.clone();
        world.request().unwrap();
        let canceller = thread::spawn(move || canceller.cancel());
        let fired = world.fire(|_| ());
        let again = world.request();
        assert!(matches!(again, Ok(()) | Err(NotRequested::Slot(Refused::Busy))));
        let cancelled = usize::from(canceller.join().unwrap());
        world.fire(|_| ());
        let requests = 1 + usize::from(again.is_ok());
        assert!(fired || cancelled == 1);
        assert_eq!(
            world.runs() + cancelled,
            requests,
            "each request runs or was cancelled"
        );
    });
}

#[test]
fn a_routine_that_asks_again_while_its_first_call_still_returns_and_the_adapter_is_removed() {
    explore(2, || {
        let world = World::new();
        let (requester, clock) = (world.clone(), world.clone());
        world.adapter.callback();
        let requester = thread::spawn(move || {
            let _ = requester.request();
            requester.adapter.release();
        });
        let clock = thread::spawn(move || {
            let again = |world: &World| {
                let _ = world.request();
            };
            clock.fire(again);
            clock.fire(again);
        });
        world.remove();
        requester.join().unwrap();
        clock.join().unwrap();
        world.end();
    });
}

#[test]
fn a_periodic_timer_is_never_lost() {
    explore(3, || {
        let world = World::new();
        let (requester, clock) = (world.clone(), world.clone());
        let requester = thread::spawn(move || requester.request().unwrap());
        let clock = thread::spawn(move || clock.fire(|world| world.request().unwrap()));
        requester.join().unwrap();
        let fired = usize::from(clock.join().unwrap());
        assert!(
            world.fire(|_| ()),
            "it is armed, by the requester or by its routine"
        );
        assert_eq!(world.runs(), fired + 1);
    });
}

#[test]
fn an_armed_timer_is_removed_while_it_fires() {
    explore(3, || {
        let world = World::new();
        let clock = world.clone();
        world.request().unwrap();
        let clock = thread::spawn(move || clock.fire(|_| ()));
        world.remove();
        clock.join().unwrap();
        world.end();
    });
}

#[test]
fn a_timer_is_closed_by_its_routine_and_by_removal() {
    explore(3, || {
        let world = World::new();
        let clock = world.clone();
        world.request().unwrap();
        let clock = thread::spawn(move || {
            clock.fire(|world| {
                let _ = world.request();
                world.close();
                assert_eq!(world.request(), Err(NotRequested::Slot(Refused::Gone)));
            });
        });
        world.remove();
        clock.join().unwrap();
        world.end();
    });
}

#[test]
fn a_timer_that_closed_in_its_routine_is_collected_while_the_adapter_is_removed() {
    explore(3, || {
        let world = World::new();
        let (clock, maker) = (world.clone(), world.clone());
        world.adapter.callback();
        world.request().unwrap();
        let clock = thread::spawn(move || clock.fire(World::close));
        let maker = thread::spawn(move || {
            let reference = maker.adapter.extension().timer.collect(&*maker.port);
            maker.adapter.settle(reference);
            maker.adapter.release();
        });
        world.remove();
        clock.join().unwrap();
        maker.join().unwrap();
        world.end();
    });
}

#[test]
fn a_request_is_cancelled_and_closed_while_its_call_is_under_way() {
    explore(3, || {
        let world = World::new();
        let requester = world.clone();
        world.adapter.callback();
        let requester = thread::spawn(move || {
            let _ = requester.request();
            requester.adapter.release();
        });
        world.cancel();
        world.close();
        world.remove();
        requester.join().unwrap();
        world.end();
    });
}

#[test]
fn a_free_that_is_not_legal_where_it_falls_due_is_made_by_removal() {
    explore(3, || {
        let world = World::new();
        let requester = world.clone();
        world.adapter.callback();
        // An interrupt routine: it must not free.
        let above = Port {
            active: AtomicU64::new(0),
            object: UnsafeCell::new(()),
            frees: AtomicUsize::new(0),
            may_free: false,
        };
        let requester = thread::spawn(move || {
            let slot = &requester.adapter.extension().timer;
            let (result, reference) = slot.request(&above, requester.generation, 5, 0);
            assert!(matches!(result, Ok(()) | Err(NotRequested::Slot(Refused::Gone))));
            assert_eq!(above.frees.load(Relaxed), 0);
            // Removal passes the interrupt lock before it shuts the slots.
            requester.adapter.settle(reference);
        });
        world.close();
        requester.join().unwrap();
        world.adapter.release();
        world.remove();
        world.end();
    });
}
