//! Locks, IRQL, stalls, DPCs.

use super::bench::{Bench, Miniport, call, complete, eventually, extended, notify, out, pool, word};
use crate::{
    abi::{
        codes::{function_code as code, notification as kind, stor_status},
        guest,
        srb::status,
        synchronization::{DPC_LOCK, INTERRUPT_LOCK, START_IO_LOCK, StorLockHandle},
    },
    engine::{Context, Irql},
};

fn acquire(extension: u64, lock: u32, context: u64, handle: &mut StorLockHandle) {
    notify(
        kind::ACQUIRE_SPIN_LOCK,
        extension,
        &[u64::from(lock), context, out(handle)],
    );
}

fn release(extension: u64, handle: &mut StorLockHandle) {
    notify(kind::RELEASE_SPIN_LOCK, extension, &[out(handle)]);
}

macro_rules! initializing_miniport {
    ($name:ident, $test:ident, $expected:expr, |$extension:ident| $body:block) => {
        struct $name;
        impl Miniport for $name {
            fn build_io($extension: u64, srb: u64) -> bool {
                let _ = srb;
                if guest::read::<u64>($extension) == 0 {
                    guest::write($extension, &1_u64);
                    $body
                }
                true
            }
        }

        #[test]
        fn $test() {
            let bench = Bench::start::<$name>();
            bench.execute(0x28, 512);
            let expected: &[&str] = &$expected;
            assert_eq!(bench.broken(), expected);
        }
    };
}

initializing_miniport!(InOrder, locks_in_order_are_right, [], |extension| {
    let (mut first, mut second) = (StorLockHandle::default(), StorLockHandle::default());
    assert_eq!(Context::irql(), Irql::DISPATCH);
    acquire(extension, START_IO_LOCK, 0, &mut first);
    acquire(extension, INTERRUPT_LOCK, 0, &mut second);
    assert_eq!(Context::irql(), Irql::DEVICE);
    release(extension, &mut second);
    release(extension, &mut first);
    assert_eq!(Context::irql(), Irql::DISPATCH);
});

initializing_miniport!(WrongOrder, the_order_of_locks, ["lock-order"], |extension| {
    let (mut first, mut second) = (StorLockHandle::default(), StorLockHandle::default());
    acquire(extension, INTERRUPT_LOCK, 0, &mut first);
    acquire(extension, START_IO_LOCK, 0, &mut second);
    release(extension, &mut second);
    release(extension, &mut first);
});

initializing_miniport!(
    Inverted,
    an_inversion_within_a_rank,
    // The DPC is made too late, too.
    ["call-outside-window", "lock-order"],
    |extension| {
        let dpc = word(extension, 8);
        notify(kind::INITIALIZE_DPC, extension, &[dpc, extension]);
        let (mut first, mut second) = (StorLockHandle::default(), StorLockHandle::default());
        acquire(extension, START_IO_LOCK, 0, &mut first);
        acquire(extension, DPC_LOCK, dpc, &mut second);
        release(extension, &mut second);
        release(extension, &mut first);
        acquire(extension, DPC_LOCK, dpc, &mut first);
        acquire(extension, START_IO_LOCK, 0, &mut second);
        release(extension, &mut second);
        release(extension, &mut first);
    }
);

initializing_miniport!(Recursive, a_lock_taken_twice, ["lock-recursion"], |extension| {
    let (mut first, mut second) = (StorLockHandle::default(), StorLockHandle::default());
    acquire(extension, START_IO_LOCK, 0, &mut first);
    acquire(extension, START_IO_LOCK, 0, &mut second);
    release(extension, &mut second);
    release(extension, &mut first);
});

initializing_miniport!(Kept, a_lock_that_is_kept, ["lock-not-released"], |extension| {
    let mut handle = StorLockHandle::default();
    acquire(extension, INTERRUPT_LOCK, 0, &mut handle);
});

initializing_miniport!(Stray, a_lock_that_is_not_held, ["lock-not-held"], |extension| {
    let mut handle = StorLockHandle::default();
    release(extension, &mut handle);
});

initializing_miniport!(Message, message_locks, [], |extension| {
    let mut old = 0_u32;
    assert_eq!(
        extended(code::ACQUIRE_MSI_SPIN_LOCK, extension, &[1, out(&mut old)]),
        stor_status::SUCCESS
    );
    assert_eq!((old, Context::irql()), (2, Irql::DEVICE));
    let released = extended(code::RELEASE_MSI_SPIN_LOCK, extension, &[1, u64::from(old)]);
    assert_eq!(
        (released, Context::irql()),
        (stor_status::SUCCESS, Irql::DISPATCH)
    );
});

initializing_miniport!(
    Passive,
    registry_calls_at_dispatch,
    ["irql-too-high"],
    |extension| {
        let mut length = 16_u32;
        call("StorPortAllocateRegistryBuffer", &[extension, out(&mut length)]);
    }
);

initializing_miniport!(Stalling, a_long_stall, ["stall-too-long"], |_extension| {
    call("StorPortStallExecution", &[1000]);
});

initializing_miniport!(
    StallingOften,
    stalls_that_add_up,
    ["stall-total-too-long"],
    |_extension| {
        for _ in 0..150 {
            call("StorPortStallExecution", &[900]);
        }
    }
);

initializing_miniport!(
    NoDpc,
    a_dpc_that_was_never_initialised,
    ["dpc-uninitialized"],
    |extension| {
        let mut queued = 7_i32;
        notify(
            kind::ISSUE_DPC,
            extension,
            &[word(extension, 8), 0, 0, out(&mut queued)],
        );
        assert_eq!(queued, 0);
    }
);

struct PoolAtDirql;
impl Miniport for PoolAtDirql {
    fn initialize(extension: u64) -> bool {
        assert_eq!(Context::irql(), Irql::DEVICE);
        assert!(Context::holds(crate::engine::LockName::Interrupt));
        assert_eq!(pool(extension, 16), 0);
        true
    }
}

#[test]
fn pool_at_dirql() {
    assert_eq!(Bench::start::<PoolAtDirql>().broken(), ["irql-too-high"]);
}

struct Deferring;
impl Miniport for Deferring {
    fn passive_initialize(extension: u64) -> bool {
        notify(
            kind::INITIALIZE_DPC,
            extension,
            &[word(extension, 8), routine(dpc_routine)],
        );
        true
    }

    fn message(extension: u64, message: u64) -> bool {
        let mut queued = 0_i32;
        notify(
            kind::ISSUE_DPC,
            extension,
            &[word(extension, 8), message, 1, out(&mut queued)],
        );
        assert_eq!(queued, 1);
        // It cannot have run: this processor is at DIRQL.
        notify(
            kind::ISSUE_DPC,
            extension,
            &[word(extension, 8), message, 2, out(&mut queued)],
        );
        assert_eq!(queued, 0);
        true
    }
}

fn routine(entry: extern "win64" fn(u64, u64, u64, u64) -> u64) -> u64 {
    (entry as *const ()).expose_provenance() as u64
}

extern "win64" fn dpc_routine(dpc: u64, extension: u64, first: u64, second: u64) -> u64 {
    assert_eq!(Context::irql(), Irql::DISPATCH);
    assert_eq!(dpc, word(extension, 8));
    assert_eq!((first, second), (1, 1));
    guest::write(extension, &(guest::read::<u64>(extension) + 1));
    0
}

#[test]
fn a_queued_dpc_ignores_another_request() {
    let bench = Bench::start::<Deferring>();
    bench.device.fire(1);
    eventually("the DPC", || bench.lab.statistics().dpcs == 1);
    assert_eq!(bench.broken(), ["dpc-arguments-lost"]);
}

/// Two processors add under one lock.
struct Adding;
impl Miniport for Adding {
    fn build_io(extension: u64, srb: u64) -> bool {
        for _ in 0..500 {
            let mut handle = StorLockHandle::default();
            acquire(extension, INTERRUPT_LOCK, 0, &mut handle);
            let sum: u64 = guest::read(extension);
            guest::write(extension, &(sum + 1));
            release(extension, &mut handle);
        }
        complete(extension, srb, status::SUCCESS);
        false
    }
}

#[test]
fn a_spin_lock_excludes_other_processors() {
    let bench = Bench::start::<Adding>();
    let (sender, receiver) = std::sync::mpsc::channel();
    for processor in [0, 1, 0, 1, 0, 1] {
        let mut request = bench.command(0x28, 512);
        request.processor = processor;
        let sender = sender.clone();
        bench.lab.submit(
            request,
            Box::new(move |outcome| sender.send(outcome).expect("a listener")),
        );
    }
    for _ in 0..6 {
        assert!(receiver.recv().expect("an outcome").is_success());
    }
    let extension = bench.lab.machine.setup().extension;
    assert_eq!(guest::read::<u64>(extension), 3000);
    assert!(bench.broken().is_empty());
}

struct Raising;
impl Miniport for Raising {
    fn build_io(_extension: u64, _srb: u64) -> bool {
        // As by a move to CR8.
        crate::trap::set_current_irql(9);
        true
    }
}

#[test]
fn a_callback_that_changes_the_irql() {
    let bench = Bench::start::<Raising>();
    bench.execute(0x28, 512);
    let mut broken = bench.broken();
    broken.dedup();
    assert_eq!(broken, ["irql-changed"]);
}

struct Lingering;
impl Miniport for Lingering {
    fn build_io(_extension: u64, srb: u64) -> bool {
        if super::bench::srb_function(srb) == 0 {
            std::thread::sleep(std::time::Duration::from_millis(2200));
        }
        true
    }
}

#[test]
fn a_callback_that_takes_too_long() {
    let bench = Bench::start::<Lingering>();
    let mut request = bench.command(0x28, 512);
    request.timeout = std::time::Duration::from_secs(30);
    assert!(bench.lab.execute(request).is_success());
    assert_eq!(bench.broken(), ["callback-too-long"]);
}

/// Waits in `HwStorBuildIo` for an interrupt of its own processor.
struct Nesting;
impl Miniport for Nesting {
    fn build_io(extension: u64, srb: u64) -> bool {
        if super::bench::srb_function(srb) == 0 {
            guest::write(word(extension, 1), &1_u64);
            for _ in 0..20_000 {
                if guest::read::<u64>(extension) == 1 {
                    break;
                }
                call("StorPortStallExecution", &[10]);
            }
            assert_eq!(guest::read::<u64>(extension), 1, "the interrupt did not nest");
            assert_eq!(
                (Context::irql(), crate::trap::current_irql()),
                (Irql::DISPATCH, Irql::DISPATCH.0)
            );
        }
        true
    }

    fn message(extension: u64, _message: u64) -> bool {
        assert_eq!(crate::trap::current_irql(), Irql::DEVICE.0);
        guest::write(extension, &1_u64);
        true
    }
}

#[test]
fn interrupts_nest_at_calls_into_the_kernel() {
    let bench = Bench::start::<Nesting>();
    let (sender, receiver) = std::sync::mpsc::channel();
    let request = bench.command(0x28, 512);
    bench.lab.submit(
        request,
        Box::new(move |outcome| sender.send(outcome).expect("a listener")),
    );
    let extension = bench.lab.machine.setup().extension;
    eventually("HwStorBuildIo", || guest::read::<u64>(word(extension, 1)) == 1);
    bench.device.fire(1);
    assert!(receiver.recv().expect("an outcome").is_success());
    assert!(bench.broken().iter().all(|rule| *rule == "stall-total-too-long"));
}
