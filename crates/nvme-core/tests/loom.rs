//! All interleavings of submission, completion, reclaim and restart of a command table.
//!
//! `RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test -p nvme-core --release --test loom`
#![cfg(loom)]

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, AtomicUsize, Ordering, fence};
use loom::thread;
use nvme::ControllerStatus;
use nvme_core::command_table::{CommandTable, Published, Withdrawn};
use nvme_core::queue::Submitting;
use nvme_core::shadow::{self, Move, ShadowDoorbell};
use nvme_core::snapshot::Snapshot;
use nvme_core::{DmaStopped, Epoch};

fn proof() -> DmaStopped {
    DmaStopped::controller_gone(Epoch::NONE, ControllerStatus::from_bits(u32::MAX)).unwrap()
}

fn opened() -> Arc<CommandTable<2>> {
    let table = Arc::new(CommandTable::new());
    table.start(1, Epoch::NONE, 3).unwrap();
    table
}

/// How often a request was handed back to whoever completes it.
#[derive(Clone)]
struct Ends(Arc<AtomicUsize>);

impl Ends {
    fn new() -> Self {
        Self(Arc::new(AtomicUsize::new(0)))
    }

    fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A completion and a reclaim race for one request: one of them gets it.
#[test]
fn completion_against_reclaim() {
    loom::model(|| {
        let table = opened();
        let ends = Ends::new();
        let claim = table.claim().unwrap();
        let id = claim.command_id();
        assert_eq!(table.publish(claim, 0, 42), Ok(Published::InFlight));
        let completer = {
            let (table, ends) = (table.clone(), ends.clone());
            thread::spawn(move || {
                if let Ok(taken) = table.take(id) {
                    assert_eq!(taken.payload(), 42);
                    ends.add();
                    table.release(taken);
                }
            })
        };
        table
            .reclaim(&proof(), |taken| {
                assert_eq!(taken.payload(), 42);
                ends.add();
            })
            .unwrap();
        completer.join().unwrap();
        assert_eq!(ends.get(), 1);
        assert_eq!(table.used(), 0);
    });
}

/// The same completion seen by two processors.
#[test]
fn duplicate_completions() {
    loom::model(|| {
        let table = opened();
        let ends = Ends::new();
        let claim = table.claim().unwrap();
        let id = claim.command_id();
        assert_eq!(table.publish(claim, 0, 42), Ok(Published::InFlight));
        let other = {
            let (table, ends) = (table.clone(), ends.clone());
            thread::spawn(move || {
                if let Ok(taken) = table.take(id) {
                    ends.add();
                    table.release(taken);
                }
            })
        };
        if let Ok(taken) = table.take(id) {
            ends.add();
            table.release(taken);
        }
        other.join().unwrap();
        assert_eq!(ends.get(), 1);
    });
}

/// A submission races with a reclaim: the request is never stranded and never ended twice.
#[test]
fn submission_against_reclaim() {
    loom::model(|| {
        let table = opened();
        let ends = Ends::new();
        let submitter = {
            let (table, ends) = (table.clone(), ends.clone());
            thread::spawn(move || {
                let Ok(claim) = table.claim() else {
                    // Refused at once: the caller answers busy.
                    ends.add();
                    return;
                };
                match table.publish(claim, 0, 42) {
                    Ok(Published::InFlight) => {}
                    Ok(Published::Reclaimed) => {}
                    Err(Withdrawn) => ends.add(),
                }
            })
        };
        table.reclaim(&proof(), |_| ends.add()).unwrap();
        submitter.join().unwrap();
        assert_eq!(ends.get(), 1, "the request was stranded or ended twice");
        assert_eq!(table.used(), 0);
    });
}

/// A submission that straddles a whole reset: claimed before it, published after the table was opened again.
#[test]
fn submission_across_a_restart() {
    loom::model(|| {
        let table = opened();
        let ends = Ends::new();
        let submitter = {
            let (table, ends) = (table.clone(), ends.clone());
            thread::spawn(move || match table.claim() {
                Ok(claim) => {
                    let id = claim.command_id();
                    match table.publish(claim, 0, 42) {
                        Ok(Published::InFlight) => {
                            // Submitted into whichever life: its completion ends it unless the reclaim has.
                            if let Ok(taken) = table.take(id) {
                                ends.add();
                                table.release(taken);
                            }
                        }
                        Ok(Published::Reclaimed) => {}
                        Err(Withdrawn) => ends.add(),
                    }
                }
                Err(_) => ends.add(),
            })
        };
        table.reclaim(&proof(), |_| ends.add()).unwrap();
        let _ = table.start(1, Epoch::NONE, 3);
        submitter.join().unwrap();
        assert_eq!(ends.get(), 1);
        assert_eq!(table.used(), 0);
    });
}

/// Two processors claim at once and never get the same slot, also while one is given back.
#[test]
fn claims_are_exclusive() {
    loom::model(|| {
        let table = opened();
        let first = table.claim().unwrap();
        let first_id = first.command_id();
        let other = {
            let table = table.clone();
            thread::spawn(move || {
                let claim = table.claim().unwrap();
                let id = claim.command_id();
                assert_eq!(table.publish(claim, 0, usize::from(id)), Ok(Published::InFlight));
                id
            })
        };
        table.cancel(first);
        let again = table.claim().map(|claim| {
            let id = claim.command_id();
            assert_eq!(table.publish(claim, 0, usize::from(id)), Ok(Published::InFlight));
            id
        });
        let other_id = other.join().unwrap();
        for id in again.into_iter().chain([other_id]) {
            let taken = table.take(id).unwrap();
            assert_eq!(taken.payload(), usize::from(id), "two requests in one slot");
            assert_ne!(id, first_id);
            table.release(taken);
        }
        assert_eq!(table.used(), 0);
    });
}

/// A completion that arrives while its request is being published (a controller may invent identifiers) finds all of
/// the request or nothing.
#[test]
fn a_taken_request_is_whole() {
    loom::model(|| {
        let table = opened();
        let taker = {
            let table = table.clone();
            thread::spawn(move || {
                if let Ok(taken) = table.take(0) {
                    assert_eq!((table.key(&taken), taken.payload()), (7, 42));
                    table.release(taken);
                }
            })
        };
        let claim = table.claim().unwrap();
        assert_eq!(claim.command_id(), 0);
        assert_eq!(table.publish(claim, 7, 42), Ok(Published::InFlight));
        taker.join().unwrap();
    });
}

/// A slot's next use begins only after its last one was read.
#[test]
fn a_reused_slot_does_not_change_under_its_taker() {
    loom::model(|| {
        let table = Arc::new(CommandTable::<1>::new());
        table.start(1, Epoch::NONE, 2).unwrap();
        let claim = table.claim().unwrap();
        let id = claim.command_id();
        assert_eq!(table.publish(claim, 1, 41), Ok(Published::InFlight));
        let next = {
            let table = table.clone();
            thread::spawn(move || {
                if let Ok(claim) = table.claim() {
                    assert_ne!(claim.command_id(), id);
                    assert_eq!(table.publish(claim, 2, 42), Ok(Published::InFlight));
                }
            })
        };
        let taken = table.take(id).unwrap();
        assert_eq!((table.key(&taken), taken.payload()), (1, 41));
        table.release(taken);
        next.join().unwrap();
    });
}

/// A unit's reset looks at what is in flight while a request is being submitted: it sees the request, or the request sees
/// the reset.
#[test]
fn submission_against_a_units_reset() {
    loom::model(|| {
        let table = opened();
        let resetting = Arc::new(AtomicUsize::new(0));
        let submitter = {
            let (table, resetting) = (table.clone(), resetting.clone());
            thread::spawn(move || {
                let claim = table.claim().unwrap();
                if resetting.load(Ordering::Relaxed) != 0 {
                    table.cancel(claim);
                    return false;
                }
                match table.publish(claim, 7, 42) {
                    Ok(Published::InFlight) => true,
                    Ok(Published::Reclaimed) => panic!("nothing is reclaimed here"),
                    Err(Withdrawn) => false,
                }
            })
        };
        resetting.store(1, Ordering::Relaxed);
        table.disturb();
        let seen = table.in_flight(7).next().is_some();
        let submitted = submitter.join().unwrap();
        // It may be seen and withdrawn, both: the reset then looks again.
        assert!(seen || !submitted, "a request slipped past the reset");
        // What was withdrawn is not seen for ever: the reset ends.
        assert_eq!(table.in_flight(7).next().is_some(), submitted);
    });
}

/// Whoever finds the table closed and nobody submitting knows that no doorbell of this life is rung any more.
#[test]
fn no_doorbell_after_the_queue_is_idle() {
    loom::model(|| {
        let table = opened();
        let queue = Arc::new((Submitting::default(), AtomicUsize::new(0)));
        let submitter = {
            let (table, queue) = (table.clone(), queue.clone());
            thread::spawn(move || {
                let under_way = queue.0.begin();
                if let Ok(claim) = table.claim()
                    && table.publish(claim, 0, 42) == Ok(Published::InFlight)
                {
                    queue.1.fetch_add(1, Ordering::Relaxed);
                }
                drop(under_way);
            })
        };
        table.close();
        let idle = queue.0.is_idle().then(|| queue.1.load(Ordering::Relaxed));
        submitter.join().unwrap();
        if let Some(rung) = idle {
            assert_eq!(
                rung,
                queue.1.load(Ordering::Relaxed),
                "a doorbell was rung after that"
            );
        }
    });
}

/// A reader of a snapshot gets what one writer wrote, or nothing.
#[test]
fn a_snapshot_is_whole() {
    loom::model(|| {
        let snapshot = Arc::new(Snapshot::default());
        let writer = {
            let snapshot = snapshot.clone();
            thread::spawn(move || {
                snapshot.write([1, 1]);
                snapshot.write([2, 2]);
            })
        };
        if let Some([first, second]) = snapshot.read() {
            assert_eq!(first, second, "a mixture was read");
        }
        writer.join().unwrap();
        assert_eq!(snapshot.read(), Some([2, 2]));
    });
}

/// The two words of a shadow doorbell, as memory that a controller shares.
struct Words {
    doorbell: AtomicU32,
    event_index: AtomicU32,
}

impl ShadowDoorbell for Words {
    fn store(&self, index: u32) {
        self.doorbell.store(index, Ordering::Relaxed);
    }

    fn event_index(&self) -> u32 {
        self.event_index.load(Ordering::Relaxed)
    }
}

/// The host moves on while the controller goes to sleep: the controller sees the move, or its doorbell is rung.
#[test]
fn no_move_is_lost_between_a_shadow_doorbell_and_its_event_index() {
    loom::model(|| {
        // The controller has last said that it saw 0, and the host has told 1 since.
        let words = Arc::new(Words {
            doorbell: AtomicU32::new(1),
            event_index: AtomicU32::new(0),
        });
        let controller = {
            let words = words.clone();
            thread::spawn(move || {
                words.event_index.store(1, Ordering::Relaxed);
                fence(Ordering::SeqCst);
                words.doorbell.load(Ordering::Relaxed)
            })
        };
        let step = Move {
            from: 1,
            to: 2,
            entries: 4,
        };
        let rings = shadow::tell(&*words, step);
        let seen = controller.join().unwrap();
        assert!(rings || seen == 2, "the move was lost");
    });
}
