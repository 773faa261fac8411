//! Removal while something is queued, running, armed. The lab takes the device extension away when the removal SRB is
//! completed and the adapter stopped: whoever touches it afterwards faults.

use std::{thread, time::Duration};

use portlab::{
    abi::srb::{SRB_PNP_FLAGS_ADAPTER_REQUEST, pnp_action},
    model::{Address, SrbFunction},
};

use crate::bench::{
    BEGUN, Bench, CANCEL_TIMER, CLOSE_PERIODIC, DPCS, ENDED, ISSUE_DPC, LINGER, QUEUE, REMOVED,
    START_PERIODIC, START_TIMER, TIMERS,
};

/// Long enough for a removal that does not wait to be over.
const MOMENT: Duration = Duration::from_millis(300);

/// Removes the adapter while `release` is still to come; the removal waits for it.
fn remove_until(bench: &Bench, release: impl FnOnce() + Send) {
    thread::scope(|scope| {
        let removal = scope.spawn(|| bench.remove());
        thread::sleep(MOMENT);
        assert!(!removal.is_finished(), "the removal SRB was not held");
        release();
    });
}

#[test]
fn an_idle_adapter_is_removed() {
    let bench = Bench::start();
    bench.remove();
    assert_eq!(bench.count(REMOVED), 1);
}

#[test]
fn a_queued_work_item_holds_the_removal_and_its_payload_is_dropped_without_a_run() {
    let bench = Bench::start();
    bench.lab.hold_work_items(true);
    assert!(bench.order(QUEUE, 0));
    remove_until(&bench, || bench.lab.hold_work_items(false));
    assert_eq!((bench.count(BEGUN), bench.dropped()), (0, 1));
}

#[test]
fn a_running_work_item_holds_the_removal_and_ends() {
    let bench = Bench::start();
    bench.script(LINGER);
    assert!(bench.order(QUEUE, 0));
    bench.wait(BEGUN, 1);
    remove_until(&bench, || bench.script(0));
    assert_eq!((bench.count(ENDED), bench.dropped()), (1, 1));
}

#[test]
fn a_work_item_that_queues_itself_during_removal_is_refused() {
    let bench = Bench::start();
    bench.script(LINGER);
    assert!(bench.order(QUEUE, 5));
    bench.wait(BEGUN, 1);
    remove_until(&bench, || bench.script(0));
    assert_eq!(
        (bench.count(ENDED), bench.dropped()),
        (1, 2),
        "the second payload came back"
    );
}

#[test]
fn a_requeued_work_item_holds_the_removal() {
    let bench = Bench::start();
    assert!(bench.order(QUEUE, 200));
    bench.wait(ENDED, 3);
    bench.remove();
    let (begun, ended) = (bench.count(BEGUN), bench.count(ENDED));
    assert_eq!(begun, ended);
    assert!(bench.dropped() >= ended as usize);
}

#[test]
fn an_armed_timer_is_cancelled_by_removal_and_never_runs() {
    let bench = Bench::start();
    assert!(bench.order(START_TIMER, 3));
    bench.remove();
    thread::sleep(MOMENT + MOMENT);
    bench.insist_on_rules();
    assert_eq!(bench.count(TIMERS), 0);
}

#[test]
fn a_periodic_timer_is_removed_between_its_runs() {
    for _ in 0..5 {
        let bench = Bench::start();
        assert!(bench.order(START_PERIODIC, 0));
        bench.wait(TIMERS, 2);
        bench.remove();
        let runs = bench.count(TIMERS);
        thread::sleep(Duration::from_millis(10));
        assert_eq!(bench.count(TIMERS), runs);
        bench.insist_on_rules();
    }
}

#[test]
fn a_timer_that_closes_in_its_routine_runs_no_more() {
    let bench = Bench::start();
    assert!(bench.order(START_PERIODIC, 0));
    bench.wait(TIMERS, 2);
    assert!(bench.order(CLOSE_PERIODIC, 0));
    thread::sleep(Duration::from_millis(20));
    let runs = bench.count(TIMERS);
    thread::sleep(Duration::from_millis(20));
    assert_eq!(bench.count(TIMERS), runs);
    assert!(
        !bench.order(START_PERIODIC, 0),
        "the handle means nothing any more"
    );
    bench.remove();
    let warnings = bench.lab.warnings();
    assert!(
        warnings
            .iter()
            .all(|warning| warning.rule != "timer-freed-in-callback"),
        "{warnings:#?}"
    );
}

#[test]
fn a_cancelled_timer_does_not_run_and_can_be_started_again() {
    let bench = Bench::start();
    assert!(!bench.order(CANCEL_TIMER, 0), "nothing is armed");
    assert!(bench.order(START_TIMER, 2));
    assert!(!bench.order(START_TIMER, 2), "busy");
    assert!(bench.order(CANCEL_TIMER, 0));
    thread::sleep(MOMENT);
    assert_eq!(bench.count(TIMERS), 0);
    assert!(bench.order(START_TIMER, 0));
    bench.wait(TIMERS, 1);
    bench.remove();
    assert_eq!(bench.count(TIMERS), 1);
}

#[test]
fn dpcs_that_are_queued_run_or_not_before_the_adapter_goes() {
    for _ in 0..10 {
        let bench = Bench::start();
        // Under the StartIo lock on processor 0: the DPC waits there.
        assert!(bench.order(ISSUE_DPC, 9));
        bench.remove();
        assert!((0..=10).contains(&bench.count(DPCS)));
        let warnings = bench.lab.warnings();
        assert!(
            warnings
                .iter()
                .all(|warning| warning.rule != "dpc-arguments-lost"),
            "{warnings:#?}"
        );
    }
}

#[test]
fn an_issued_dpc_runs() {
    let bench = Bench::start();
    assert!(bench.order(ISSUE_DPC, 0));
    bench.wait(DPCS, 1);
    bench.remove();
}

#[test]
fn a_surprise_removal_runs_the_adapter_down_and_the_removal_after_it_succeeds() {
    let bench = Bench::start();
    assert!(bench.order(START_PERIODIC, 0));
    assert!(bench.order(QUEUE, 3));
    let gone = bench.lab.srb_function(
        SrbFunction::Pnp {
            action: pnp_action::SURPRISE_REMOVAL,
            flags: SRB_PNP_FLAGS_ADAPTER_REQUEST,
        },
        Address::default(),
    );
    assert!(gone.is_success(), "{gone}");
    assert_eq!(bench.count(REMOVED), 1);
    assert!(!bench.order(QUEUE, 0), "nothing begins any more");
    bench.remove();
    assert_eq!(bench.count(REMOVED), 1, "once");
}

/// Storport removes the units of an adapter that is gone: they go with success, however often it asks, and no callback follows.
#[test]
fn after_a_surprise_removal_the_units_are_removed_with_success() {
    let bench = Bench::start();
    let pnp = |action, flags| {
        bench
            .lab
            .srb_function(SrbFunction::Pnp { action, flags }, Address::default())
    };
    let gone = pnp(pnp_action::SURPRISE_REMOVAL, SRB_PNP_FLAGS_ADAPTER_REQUEST);
    assert!(gone.is_success(), "{gone}");
    for action in [
        pnp_action::SURPRISE_REMOVAL,
        pnp_action::REMOVE_DEVICE,
        pnp_action::REMOVE_DEVICE,
    ] {
        let unit = pnp(action, 0);
        assert!(unit.is_success(), "{action:#x}: {unit}");
    }
    bench.remove();
    assert_eq!(bench.count(REMOVED), 1, "once");
}
