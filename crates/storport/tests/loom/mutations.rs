//! Deliberate mistakes, each of which a test here must notice.

use std::{env, process::Command};

/// A mistake that `storport` makes when `LOOM_MUTATION` names it, and the test that must fail then.
const MUTATIONS: [(&str, &str); 16] = [
    (
        "free-during-a-call",
        "work_items::an_item_is_queued_and_run_while_the_adapter_is_removed",
    ),
    (
        "free-under-a-run",
        "work_items::an_item_is_queued_and_run_while_the_adapter_is_removed",
    ),
    (
        "payload-taken-relaxed",
        "work_items::of_two_queuers_each_that_is_accepted_has_its_run",
    ),
    (
        "run-without-owning-the-payload",
        "work_items::of_two_queuers_each_that_is_accepted_has_its_run",
    ),
    (
        "any-request-runs",
        "timers::what_was_cancelled_never_runs_and_what_is_requested_then_does",
    ),
    (
        "request-during-a-cancel",
        "timers::a_cancel_never_hits_a_later_request",
    ),
    (
        "cancel-during-a-request",
        "timers::a_request_is_cancelled_and_closed_while_its_call_is_under_way",
    ),
    (
        "close-without-cancel",
        "timers::an_armed_timer_is_removed_while_it_fires",
    ),
    (
        "issue-relaxed",
        "dpcs::no_issue_is_lost_and_routines_do_not_overlap",
    ),
    (
        "issue-during-a-run-is-dropped",
        "dpcs::no_issue_is_lost_and_routines_do_not_overlap",
    ),
    (
        "issue-without-a-reference",
        "dpcs::an_adapter_goes_when_its_dpcs_have_run",
    ),
    (
        "note-without-looking-again",
        "small::who_comes_to_a_shut_gate_passes_or_is_known",
    ),
    (
        "note-by-a-store",
        "small::whoever_is_refused_is_served_by_the_one_inside",
    ),
    (
        "release-relaxed",
        "small::the_last_reference_completes_the_removal_and_nobody_looks_after_it",
    ),
    (
        "any-reference-completes",
        "small::the_last_reference_completes_the_removal_and_nobody_looks_after_it",
    ),
    (
        "close-without-a-reference",
        "small::the_last_reference_completes_the_removal_and_nobody_looks_after_it",
    ),
];

#[test]
fn every_mutation_is_noticed() {
    let this = env::current_exe().unwrap();
    let mut survivors = Vec::new();
    for (mutation, test) in MUTATIONS {
        let output = Command::new(&this)
            .args(["--exact", test])
            .env("LOOM_MUTATION", mutation)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("running 1 test"), "there is no test {test}");
        if output.status.success() {
            survivors.push((mutation, test));
        }
    }
    assert!(survivors.is_empty(), "{survivors:#?}");
    println!("{} mutations, all noticed", MUTATIONS.len());
}
