//! Work items, timers, state changes.

use super::bench::{Bench, Miniport, complete, eventually, extended, notify, out, word};
use crate::{
    abi::{
        codes::{function_code as code, notification as kind, stor_status},
        guest,
        srb::{StorAddrBtl8, function, status},
    },
    engine::{Context, Irql, LockName},
    model::StateChange,
};

const WORKER: u64 = 1;
const TIMER: u64 = 2;
const ADDRESS: u64 = 10;

fn address_of(entry: *const ()) -> u64 {
    entry.expose_provenance() as u64
}

fn worker(extension: u64) -> u64 {
    guest::read(word(extension, WORKER))
}

fn bump(extension: u64, index: u64) -> u64 {
    let count: u64 = guest::read(word(extension, index));
    guest::write(word(extension, index), &(count + 1));
    count + 1
}

fn queue(extension: u64, entry: *const (), context: u64) -> u32 {
    extended(
        code::QUEUE_WORK_ITEM,
        extension,
        &[address_of(entry), worker(extension), context],
    )
}

fn initialize_worker(extension: u64) {
    let status = extended(code::INITIALIZE_WORKER, extension, &[word(extension, WORKER)]);
    assert_eq!(status, stor_status::SUCCESS);
}

fn free_worker(extension: u64) -> u32 {
    extended(code::FREE_WORKER, extension, &[worker(extension)])
}

/// Queues its worker from an interrupt-driven path, again from the callback, and frees it there.
struct Working;
impl Miniport for Working {
    fn find_adapter(extension: u64, _configuration: u64) -> u32 {
        initialize_worker(extension);
        1
    }

    fn start_io(extension: u64, srb: u64) -> bool {
        if super::bench::srb_function(srb) == function::EXECUTE_SCSI {
            assert_eq!(queue(extension, again as *const (), 77), stor_status::SUCCESS);
        }
        complete(extension, srb, status::SUCCESS);
        true
    }
}

extern "win64" fn again(extension: u64, context: u64, handle: u64) -> u64 {
    assert_eq!(
        (Context::irql(), context, handle),
        (Irql::PASSIVE, 77, worker(extension))
    );
    if bump(extension, 3) < 3 {
        // "Queued" is cleared before the callback starts. The next run may begin at once on another thread.
        assert_eq!(queue(extension, again as *const (), 77), stor_status::SUCCESS);
    } else {
        assert_eq!(free_worker(extension), stor_status::SUCCESS);
    }
    0
}

#[test]
fn a_work_item_may_queue_itself_again_and_free_itself() {
    let bench = Bench::start::<Working>();
    assert!(bench.execute(0x28, 512).is_success());
    eventually("three runs", || bench.lab.statistics().work_items_run == 3);
    assert_eq!(bench.lab.statistics().work_items_queued, 3);
    assert!(bench.broken().is_empty());
}

/// Does everything wrong with workers that the status codes are for.
struct Careless;
impl Miniport for Careless {
    fn find_adapter(extension: u64, _configuration: u64) -> u32 {
        assert_eq!(
            extended(code::INITIALIZE_WORKER, extension, &[0]),
            stor_status::INVALID_PARAMETER
        );
        assert_eq!(
            extended(code::QUEUE_WORK_ITEM, extension, &[0, 1, 0]),
            stor_status::INVALID_PARAMETER
        );
        initialize_worker(extension);
        // The handle's address instead of the handle.
        let wrong = extended(code::FREE_WORKER, extension, &[word(extension, WORKER)]);
        assert_eq!(wrong, stor_status::INVALID_PARAMETER);
        assert_eq!(free_worker(extension), stor_status::SUCCESS);
        assert_eq!(free_worker(extension), stor_status::UNSUCCESSFUL);
        assert_eq!(
            queue(extension, nothing as *const (), 0),
            stor_status::INVALID_PARAMETER
        );
        1
    }
}

extern "win64" fn nothing(_extension: u64, _context: u64, _handle: u64) -> u64 {
    0
}

#[test]
fn misuse_of_workers() {
    let broken = Bench::start::<Careless>().broken();
    assert_eq!(
        broken,
        [
            "bad-parameter",
            "bad-parameter",
            "stale-handle",
            "worker-freed-twice",
            "stale-handle"
        ]
    );
}

/// Queues at DISPATCH_LEVEL from a second processor's view: frees while queued.
struct Hasty;
impl Miniport for Hasty {
    fn find_adapter(extension: u64, _configuration: u64) -> u32 {
        initialize_worker(extension);
        // All system threads are busy, so the item stays queued.
        for _ in 0..8 {
            let mut handle = 0_u64;
            extended(code::INITIALIZE_WORKER, extension, &[out(&mut handle)]);
            extended(
                code::QUEUE_WORK_ITEM,
                extension,
                &[address_of(slow as *const ()), handle, 0],
            );
        }
        assert_eq!(queue(extension, nothing as *const (), 0), stor_status::SUCCESS);
        assert_eq!(queue(extension, nothing as *const (), 0), stor_status::BUSY);
        assert_eq!(free_worker(extension), stor_status::BUSY);
        1
    }
}

extern "win64" fn slow(extension: u64, _context: u64, handle: u64) -> u64 {
    std::thread::sleep(std::time::Duration::from_millis(30));
    extended(code::FREE_WORKER, extension, &[handle]);
    0
}

#[test]
fn a_queued_worker_is_not_freed() {
    let bench = Bench::start::<Hasty>();
    eventually("all work items", || bench.lab.statistics().work_items_run == 9);
    let broken = bench.broken();
    assert_eq!(broken, ["worker-freed-while-queued", "worker-leaked"]);
}

struct AtDirql;
impl Miniport for AtDirql {
    fn initialize(extension: u64) -> bool {
        let status = extended(code::INITIALIZE_WORKER, extension, &[word(extension, WORKER)]);
        assert_eq!(status, stor_status::INVALID_IRQL);
        true
    }
}

#[test]
fn workers_stop_at_dispatch_level() {
    assert_eq!(Bench::start::<AtDirql>().broken(), ["irql-too-high"]);
}

/// Queues during its removal.
struct Late;
impl Miniport for Late {
    fn find_adapter(extension: u64, _configuration: u64) -> u32 {
        initialize_worker(extension);
        1
    }

    fn stop(extension: u64) -> bool {
        assert_eq!(
            queue(extension, nothing as *const (), 0),
            stor_status::INVALID_DEVICE_STATE
        );
        free_worker(extension) == stor_status::SUCCESS
    }
}

#[test]
fn nothing_is_queued_during_removal() {
    assert!(Bench::start::<Late>().broken().is_empty());
}

/// Arms a timer that arms itself once more.
struct Timed;
impl Miniport for Timed {
    fn find_adapter(extension: u64, _configuration: u64) -> u32 {
        assert_eq!(
            extended(code::INITIALIZE_TIMER, extension, &[word(extension, TIMER)]),
            stor_status::SUCCESS
        );
        1
    }

    fn initialize(extension: u64) -> bool {
        // Any IRQL.
        assert_eq!(arm(extension, 2000), stor_status::SUCCESS);
        assert_eq!(arm(extension, 2000), stor_status::BUSY);
        true
    }

    fn stop(extension: u64) -> bool {
        let timer: u64 = guest::read(word(extension, TIMER));
        assert_eq!(
            extended(code::FREE_TIMER, extension, &[timer]),
            stor_status::SUCCESS
        );
        true
    }
}

fn arm(extension: u64, microseconds: u64) -> u32 {
    let timer: u64 = guest::read(word(extension, TIMER));
    extended(
        code::REQUEST_TIMER,
        extension,
        &[timer, address_of(tick as *const ()), 5, microseconds, 0],
    )
}

extern "win64" fn tick(extension: u64, context: u64) -> u64 {
    assert_eq!((Context::irql(), context), (Irql::DISPATCH, 5));
    assert!(Context::holds(LockName::StartIo));
    if bump(extension, 3) == 1 {
        assert_eq!(arm(extension, 1000), stor_status::SUCCESS);
    }
    0
}

#[test]
fn a_timer_may_be_armed_in_its_callback() {
    let bench = Bench::start::<Timed>();
    eventually("two ticks", || bench.lab.statistics().timers_fired == 2);
    assert!(bench.broken().is_empty());
}

/// Frees an active timer, then once more.
struct FreesActive;
impl Miniport for FreesActive {
    fn find_adapter(extension: u64, _configuration: u64) -> u32 {
        extended(code::INITIALIZE_TIMER, extension, &[word(extension, TIMER)]);
        let timer: u64 = guest::read(word(extension, TIMER));
        arm(extension, 60_000_000);
        assert_eq!(
            extended(code::FREE_TIMER, extension, &[timer]),
            stor_status::SUCCESS
        );
        assert_eq!(
            extended(code::FREE_TIMER, extension, &[timer]),
            stor_status::UNSUCCESSFUL
        );
        1
    }
}

#[test]
fn an_active_timer_is_not_freed() {
    assert_eq!(
        Bench::start::<FreesActive>().broken(),
        ["timer-freed-while-active", "timer-freed-twice"]
    );
}

/// Reports two state changes at once.
struct Changing;
impl Miniport for Changing {
    fn initialize(extension: u64) -> bool {
        let address = StorAddrBtl8 {
            kind: 1,
            address_length: 4,
            target: 1,
            ..StorAddrBtl8::default()
        };
        guest::write(word(extension, ADDRESS), &address);
        assert_eq!(report(extension), stor_status::SUCCESS);
        true
    }
}

fn report(extension: u64) -> u32 {
    let mut status = 9_u32;
    let callback = address_of(processed as *const ());
    let arguments = [1, word(extension, ADDRESS), 0, callback, 3, out(&mut status)];
    notify(kind::STATE_CHANGE_DETECTED, extension, &arguments);
    status
}

extern "win64" fn processed(extension: u64, context: u64, kind: u64, address: u64, status: u64) -> u64 {
    assert_eq!(
        (context, kind & 0xFFFF, address),
        (3, 1, word(extension, ADDRESS))
    );
    assert_eq!((status & 0xFFFF_FFFF, Context::irql()), (0, Irql::DISPATCH));
    if bump(extension, 3) == 1 {
        // One is allowed from here on, the second is too many.
        assert_eq!(report(extension), stor_status::SUCCESS);
        assert_eq!(report(extension), stor_status::BUSY);
    }
    0
}

#[test]
fn one_state_change_at_a_time() {
    let bench = Bench::start::<Changing>();
    eventually("both callbacks", || {
        let extension = bench.lab.machine.setup().extension;
        guest::read::<u64>(word(extension, 3)) == 2
    });
    let changes = bench.lab.take_state_changes();
    assert_eq!(changes.len(), 2);
    assert_eq!(
        changes[0],
        StateChange::State {
            entity: 1,
            address: [0, 1, 0],
            attributes: 0
        }
    );
    assert_eq!(bench.broken(), ["state-change-outstanding"]);
}

/// Its work item outlives it.
struct Outliving;
impl Miniport for Outliving {
    fn find_adapter(extension: u64, _configuration: u64) -> u32 {
        initialize_worker(extension);
        queue(extension, long as *const (), 0);
        1
    }
}

extern "win64" fn long(_extension: u64, _context: u64, _handle: u64) -> u64 {
    std::thread::sleep(std::time::Duration::from_millis(900));
    0
}

#[test]
fn no_work_item_outlives_the_adapter() {
    let bench = Bench::start::<Outliving>();
    eventually("the work item", || bench.lab.statistics().work_items_run == 1);
    assert_eq!(bench.broken(), ["work-item-after-removal", "worker-leaked"]);
}

/// Takes a spin lock in its work item.
struct Raised;
impl Miniport for Raised {
    fn find_adapter(extension: u64, _configuration: u64) -> u32 {
        initialize_worker(extension);
        queue(extension, locking as *const (), 0);
        1
    }
}

extern "win64" fn locking(extension: u64, _context: u64, _handle: u64) -> u64 {
    use crate::abi::synchronization::{INTERRUPT_LOCK, StorLockHandle};
    let mut handle = StorLockHandle::default();
    notify(
        kind::ACQUIRE_SPIN_LOCK,
        extension,
        &[u64::from(INTERRUPT_LOCK), 0, out(&mut handle)],
    );
    assert_eq!(
        (Context::irql(), crate::trap::current_irql()),
        (Irql::DEVICE, Irql::DEVICE.0)
    );
    notify(kind::RELEASE_SPIN_LOCK, extension, &[out(&mut handle)]);
    assert_eq!((Context::irql(), crate::trap::current_irql()), (Irql::PASSIVE, 0));
    assert_eq!(free_worker(extension), stor_status::SUCCESS);
    0
}

#[test]
fn a_work_item_raises_itself_by_a_spin_lock() {
    let bench = Bench::start::<Raised>();
    eventually("the work item", || bench.lab.statistics().work_items_run == 1);
    assert!(bench.broken().is_empty());
}
