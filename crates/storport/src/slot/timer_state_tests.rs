//! The transitions of a timer, one after the other; `tests/loom.rs` has all interleavings.

use super::*;

fn live() -> (TimerState, Generation) {
    let slot = TimerState::default();
    let generation = slot.allocate().unwrap();
    assert_eq!(slot.created(), Release::Keep);
    (slot, generation)
}

fn request(slot: &TimerState, generation: Generation) -> Request {
    let request = slot.begin_request(generation).unwrap();
    assert_eq!(slot.accepted(), Duty::Nothing);
    request
}

#[test]
fn an_armed_timer_refuses_a_second_request() {
    let (slot, generation) = live();
    let first = request(&slot, generation);
    assert_eq!(slot.begin_request(generation), Err(Refused::Busy));
    assert!(slot.begin_run(first));
    assert!(!slot.is_armed(), "the routine may ask again");
    let second = request(&slot, generation);
    assert_ne!(first, second);
    assert_eq!(slot.end_run(), Duty::Nothing);
    assert!(slot.is_armed());
}

#[test]
fn a_late_call_for_a_cancelled_request_reaches_nobody() {
    let (slot, generation) = live();
    let first = request(&slot, generation);
    assert_eq!(slot.cancel(generation), Some(Duty::Cancel));
    assert!(!slot.begin_run(first), "nothing is armed");
    assert_eq!(
        slot.begin_request(generation),
        Err(Refused::Busy),
        "the DDI's cancel is under way"
    );
    assert_eq!(slot.cancelled(), Duty::Nothing);
    let second = request(&slot, generation);
    assert!(!slot.begin_run(first), "another request is armed");
    assert!(slot.begin_run(second));
}

#[test]
fn a_cancel_during_the_request_call_is_left_to_the_requester() {
    let (slot, generation) = live();
    let first = slot.begin_request(generation).unwrap();
    assert_eq!(slot.cancel(generation), Some(Duty::Nothing));
    assert_eq!(slot.cancel(generation), None, "nothing is armed any more");
    assert_eq!(slot.accepted(), Duty::Cancel);
    assert_eq!(slot.cancelled(), Duty::Nothing);
    assert!(!slot.begin_run(first));
    let _ = request(&slot, generation);
}

#[test]
fn there_is_nothing_to_cancel_in_an_idle_or_running_timer() {
    let (slot, generation) = live();
    assert_eq!(slot.cancel(generation), None);
    let first = request(&slot, generation);
    assert!(slot.begin_run(first));
    assert_eq!(slot.cancel(generation), None);
    assert_eq!(slot.end_run(), Duty::Nothing);
}

#[test]
fn a_timer_that_closes_while_armed_is_cancelled_then_freed() {
    let (slot, generation) = live();
    let first = request(&slot, generation);
    assert_eq!(slot.close(generation), Duty::Cancel);
    assert_eq!(slot.cancelled(), Duty::Free);
    slot.freed();
    assert!(slot.is_vacant());
    assert!(!slot.begin_run(first));
}

#[test]
fn a_timer_that_closes_in_its_routine_is_freed_at_its_end() {
    let (slot, generation) = live();
    let first = request(&slot, generation);
    assert!(slot.begin_run(first));
    let _ = request(&slot, generation);
    assert_eq!(slot.close(generation), Duty::Cancel, "what the routine asked for");
    assert_eq!(slot.cancelled(), Duty::Nothing, "the routine runs");
    assert_eq!(slot.end_run(), Duty::Free);
}

#[test]
fn a_timer_that_is_shut_during_its_request_call_is_cancelled_and_freed_by_the_requester() {
    let (slot, generation) = live();
    let _ = slot.begin_request(generation).unwrap();
    assert_eq!(slot.shut(), Duty::Nothing);
    assert_eq!(slot.accepted(), Duty::Cancel);
    assert_eq!(slot.cancelled(), Duty::Free);
    slot.freed();
    assert_eq!(slot.allocate(), None);
}

#[test]
fn a_free_that_is_not_legal_here_is_left_to_whoever_comes_next() {
    let (slot, generation) = live();
    assert_eq!(slot.close(generation), Duty::Free);
    assert!(slot.defer());
    assert_eq!(slot.shut(), Duty::Free, "removal at the latest");
    assert!(!slot.defer(), "after removal nobody comes");
    slot.retire();
    assert!(!slot.is_vacant());
}

#[test]
fn a_refused_request_is_over_unless_it_ran_or_was_cancelled() {
    let (slot, generation) = live();
    let first = slot.begin_request(generation).unwrap();
    assert_eq!(slot.refused(first), (true, Duty::Nothing));
    assert!(!slot.is_armed());

    let second = slot.begin_request(generation).unwrap();
    assert!(slot.begin_run(second));
    assert_eq!(slot.refused(second), (false, Duty::Nothing));
    assert_eq!(slot.end_run(), Duty::Nothing);

    let third = slot.begin_request(generation).unwrap();
    assert_eq!(slot.cancel(generation), Some(Duty::Nothing));
    assert_eq!(slot.refused(third), (false, Duty::Cancel));
}

#[test]
fn a_request_survives_being_a_context_with_an_index() {
    let (slot, generation) = live();
    let first = request(&slot, generation);
    assert_eq!(Request::and_index(first.with_index(0)), (first, 0));
    assert_eq!(
        Request::and_index(first.with_index(0xFF_FFFF)),
        (first, 0xFF_FFFF)
    );
}

#[test]
fn an_older_generation_means_nothing() {
    let (slot, old) = live();
    assert_eq!(slot.close(old), Duty::Free);
    slot.freed();
    let new = slot.allocate().unwrap();
    assert_eq!(slot.created(), Release::Keep);
    assert_eq!(slot.begin_request(old), Err(Refused::Gone));
    let armed = request(&slot, new);
    assert_eq!(slot.cancel(old), None);
    assert_eq!(slot.close(old), Duty::Nothing);
    assert!(slot.begin_run(armed));
}
