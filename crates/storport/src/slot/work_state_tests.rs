//! The transitions of a work item, one after the other and by threads; `tests/loom.rs` has all interleavings.

use core::sync::atomic::Ordering;

use super::*;

fn live() -> (WorkState, Generation) {
    let slot = WorkState::default();
    let generation = slot.allocate().unwrap();
    assert_eq!(slot.created(), Release::Keep);
    (slot, generation)
}

/// Publishes, and the DDI takes it.
fn queue(slot: &WorkState, generation: Generation) {
    slot.begin_publish(generation).unwrap();
    assert!(slot.publish());
    assert_eq!(slot.called(), Release::Keep);
}

fn begin(slot: &WorkState) {
    assert!(slot.begin_run());
    slot.payload_taken();
}

#[test]
fn a_queued_item_refuses_a_second_publication() {
    let (slot, generation) = live();
    slot.begin_publish(generation).unwrap();
    assert_eq!(slot.begin_publish(generation), Err(Refused::Busy));
    assert!(slot.publish());
    assert_eq!(slot.begin_publish(generation), Err(Refused::Busy));
    assert_eq!(slot.called(), Release::Keep);
    begin(&slot);
    assert_eq!(
        slot.begin_publish(generation),
        Ok(()),
        "queued is cleared before the callback's work"
    );
}

#[test]
fn the_callback_may_queue_itself_while_the_first_ddi_call_still_returns() {
    let (slot, generation) = live();
    slot.begin_publish(generation).unwrap();
    assert!(slot.publish());
    begin(&slot);
    queue(&slot, generation);
    assert_eq!(slot.called(), Release::Keep, "the first caller comes back late");
    assert!(slot.is_queued(), "and takes nothing from the second");
}

#[test]
fn closing_while_running_leaves_the_free_to_the_tail_of_the_callback() {
    let (slot, generation) = live();
    queue(&slot, generation);
    begin(&slot);
    assert_eq!(slot.close(generation), Release::Keep);
    assert_eq!(slot.begin_publish(generation), Err(Refused::Gone));
    assert_eq!(slot.end_run(), Release::Free);
    slot.freed();
    assert!(slot.is_vacant());
}

#[test]
fn closing_while_queued_leaves_the_free_to_the_run() {
    let (slot, generation) = live();
    queue(&slot, generation);
    assert_eq!(slot.shut(), Release::Keep);
    begin(&slot);
    assert_eq!(slot.end_run(), Release::Free);
}

#[test]
fn nobody_frees_between_a_publication_and_the_end_of_its_ddi_call() {
    let (slot, generation) = live();
    slot.begin_publish(generation).unwrap();
    assert!(slot.publish());
    assert_eq!(slot.shut(), Release::Keep);
    begin(&slot);
    assert_eq!(
        slot.end_run(),
        Release::Keep,
        "the object is still in the DDI's hands"
    );
    assert_eq!(slot.called(), Release::Free);
}

#[test]
fn a_publication_that_closing_overtook_is_backed_out_and_frees() {
    let (slot, generation) = live();
    slot.begin_publish(generation).unwrap();
    assert_eq!(slot.shut(), Release::Keep);
    assert!(!slot.publish());
    assert!(!slot.is_queued());
    assert_eq!(slot.retracted(), Release::Free);
    slot.freed();
    assert!(slot.is_vacant());
}

#[test]
fn a_refused_call_gives_the_payload_back_and_frees_a_closing_slot() {
    let (slot, generation) = live();
    slot.begin_publish(generation).unwrap();
    assert!(slot.publish());
    assert_eq!(slot.shut(), Release::Keep);
    assert!(slot.retract());
    assert_eq!(slot.retracted(), Release::Free);
}

#[test]
fn a_refused_call_that_ran_all_the_same_takes_nothing_back() {
    let (slot, generation) = live();
    slot.begin_publish(generation).unwrap();
    assert!(slot.publish());
    begin(&slot);
    assert!(!slot.retract());
    assert_eq!(slot.called(), Release::Keep);
    assert_eq!(slot.close(generation), Release::Keep);
    assert_eq!(slot.end_run(), Release::Free);
}

#[test]
fn exactly_one_caller_frees() {
    let (slot, generation) = live();
    assert_eq!(slot.close(generation), Release::Free);
    assert_eq!(slot.close(generation), Release::Keep);
    assert_eq!(slot.shut(), Release::Keep);
}

#[test]
fn what_is_made_while_the_adapter_goes_is_freed_by_its_maker() {
    let slot = WorkState::default();
    let generation = slot.allocate().unwrap();
    assert_eq!(slot.shut(), Release::Keep, "there is no object to free yet");
    assert_eq!(slot.created(), Release::Free);
    assert_eq!(slot.begin_publish(generation), Err(Refused::Gone));
    slot.freed();
    assert!(slot.is_vacant());
}

#[test]
fn a_shut_slot_is_not_allocated_again() {
    let vacant = WorkState::default();
    assert_eq!(vacant.shut(), Release::Keep);
    assert_eq!(vacant.allocate(), None);

    let (used, _) = live();
    assert_eq!(used.shut(), Release::Free);
    used.freed();
    assert!(used.is_vacant());
    assert_eq!(used.allocate(), None);

    let unmade = WorkState::default();
    let _ = unmade.allocate().unwrap();
    assert_eq!(unmade.shut(), Release::Keep);
    unmade.abandon();
    assert_eq!(unmade.allocate(), None);

    unmade.reopen();
    assert!(unmade.allocate().is_some());
}

#[test]
fn a_retired_slot_serves_nobody() {
    let (slot, generation) = live();
    assert_eq!(slot.close(generation), Release::Free);
    slot.retire();
    assert_eq!(slot.allocate(), None);
    assert_eq!(slot.begin_publish(generation), Err(Refused::Gone));
    assert_eq!(slot.shut(), Release::Keep);
    assert!(!slot.begin_run());
}

#[test]
fn an_older_generation_means_nothing() {
    let (slot, old) = live();
    assert_eq!(slot.close(old), Release::Free);
    slot.freed();
    let new = slot.allocate().unwrap();
    assert_eq!(slot.created(), Release::Keep);
    assert_ne!(old, new);
    assert_eq!(slot.begin_publish(old), Err(Refused::Gone));
    assert_eq!(slot.close(old), Release::Keep);
    assert_eq!(slot.begin_publish(new), Ok(()));
}

#[test]
fn two_runs_may_overlap_after_a_requeue() {
    let (slot, generation) = live();
    queue(&slot, generation);
    begin(&slot);
    queue(&slot, generation);
    begin(&slot);
    assert_eq!(slot.close(generation), Release::Keep);
    assert_eq!(slot.end_run(), Release::Keep);
    assert_eq!(slot.end_run(), Release::Free);
}

#[test]
fn more_runs_than_are_counted_are_refused_and_not_lost() {
    let (slot, generation) = live();
    for _ in 0..255 {
        queue(&slot, generation);
        begin(&slot);
    }
    assert_eq!(slot.begin_publish(generation), Err(Refused::Busy));
    assert_eq!(slot.end_run(), Release::Keep);
    queue(&slot, generation);
    begin(&slot);
    assert_eq!(slot.close(generation), Release::Keep);
    for _ in 0..254 {
        assert_eq!(slot.end_run(), Release::Keep);
    }
    assert_eq!(slot.end_run(), Release::Free);
}

/// Three callers, the port driver's thread and removal at once, against a DDI object that knows whether it exists.
#[test]
fn however_they_interleave_the_object_outlives_its_use_and_is_freed_once() {
    use core::sync::atomic::{AtomicBool, AtomicU32};

    struct Object {
        exists: AtomicBool,
        frees: AtomicU32,
        queued: AtomicU32,
        taken: AtomicU32,
        runs: AtomicU32,
    }
    impl Object {
        fn free(&self, slot: &WorkState, release: Release) {
            if release == Release::Free {
                assert!(self.exists.swap(false, Ordering::SeqCst), "freed once");
                self.frees.fetch_add(1, Ordering::SeqCst);
                slot.freed();
            }
        }

        /// The DDI: refuses now and then, as it does while the device is being removed.
        fn call(&self, refuse: bool) -> bool {
            assert!(self.exists.load(Ordering::SeqCst), "called while it exists");
            if !refuse {
                self.queued.fetch_add(1, Ordering::SeqCst);
            }
            core::hint::spin_loop();
            assert!(
                self.exists.load(Ordering::SeqCst),
                "exists until the call is over"
            );
            !refuse
        }
    }

    for round in 0..2_000_u32 {
        let (slot, generation) = live();
        let object = Object {
            exists: AtomicBool::new(true),
            frees: AtomicU32::new(0),
            queued: AtomicU32::new(0),
            taken: AtomicU32::new(0),
            runs: AtomicU32::new(0),
        };
        let callers = AtomicU32::new(3);
        std::thread::scope(|scope| {
            for caller in 0..3 {
                let (slot, object, callers) = (&slot, &object, &callers);
                scope.spawn(move || {
                    for attempt in 0..8 {
                        if slot.begin_publish(generation).is_err() {
                            continue;
                        }
                        if !slot.publish() {
                            object.free(slot, slot.retracted());
                        } else if object.call((attempt + caller + round) % 5 == 0) {
                            object.taken.fetch_add(1, Ordering::SeqCst);
                            object.free(slot, slot.called());
                        } else {
                            assert!(slot.retract(), "nobody runs what was refused");
                            object.free(slot, slot.retracted());
                        }
                    }
                    callers.fetch_sub(1, Ordering::SeqCst);
                });
            }
            scope.spawn(|| {
                loop {
                    let last = callers.load(Ordering::SeqCst) == 0;
                    let pending = object.queued.swap(0, Ordering::SeqCst);
                    for _ in 0..pending {
                        assert!(slot.begin_run(), "each accepted call has its run");
                        slot.payload_taken();
                        assert!(object.exists.load(Ordering::SeqCst));
                        object.runs.fetch_add(1, Ordering::SeqCst);
                        object.free(&slot, slot.end_run());
                    }
                    if last && pending == 0 {
                        break;
                    }
                }
            });
            scope.spawn(|| object.free(&slot, slot.shut()));
        });
        assert_eq!(object.frees.into_inner(), 1);
        assert_eq!(object.taken.into_inner(), object.runs.into_inner());
        assert!(slot.is_vacant());
        assert_eq!(slot.allocate(), None);
    }
}

#[test]
fn a_stray_callback_runs_nothing() {
    let (slot, _) = live();
    assert!(!slot.begin_run());
}
