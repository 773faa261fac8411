//! Starts that fail, and an adapter that is found again on the extension that its last life left.

use crate::bench::{
    BEGUN, Bench, ENDED, FAIL_INITIALIZE, FAIL_PASSIVE, FOUND, LINGER, QUEUE, REMOVED, START_PERIODIC,
    START_TIMER, TIMERS,
};

#[test]
fn a_start_that_fails_in_passive_initialize_leaves_nothing() {
    let bench = Bench::load();
    bench.script(FAIL_PASSIVE);
    assert!(bench.lab.start().is_err());
    bench.remove();
    assert_eq!(bench.count(REMOVED), 0, "no removal SRB came");
}

#[test]
fn a_start_that_failed_is_made_good_on_the_same_extension() {
    for fails in [FAIL_INITIALIZE, FAIL_PASSIVE] {
        let bench = Bench::load();
        bench.script(fails);
        for _ in 0..3 {
            assert!(bench.lab.start().is_err());
        }
        bench.script(0);
        bench.lab.start().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(bench.count(FOUND), 4);
        assert!(bench.order(QUEUE, 0));
        bench.wait(ENDED, 1);
        bench.remove();
    }
}

#[test]
fn an_adapter_is_found_again_while_it_has_timers_and_work_items() {
    let bench = Bench::start();
    for life in 1..4 {
        assert!(bench.order(START_TIMER, 200));
        assert!(bench.order(START_PERIODIC, 0));
        assert!(bench.order(QUEUE, 100));
        bench.lab.stop().unwrap_or_else(|error| panic!("{error}"));
        bench.lab.find_again().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(bench.count(FOUND), 1 + life);
        let runs = bench.count(TIMERS);
        std::thread::sleep(std::time::Duration::from_millis(10));
        assert_eq!(bench.count(TIMERS), runs, "timers of the last life are gone");
        bench.insist_on_rules();
    }
    bench.remove();
    assert_eq!(bench.count(BEGUN), bench.count(ENDED));
}

#[test]
fn an_adapter_is_found_again_when_its_running_work_item_has_ended() {
    let bench = Bench::start();
    bench.script(LINGER);
    assert!(bench.order(QUEUE, 0));
    bench.wait(BEGUN, 1);
    bench.lab.stop().unwrap_or_else(|error| panic!("{error}"));
    std::thread::scope(|scope| {
        let found = scope.spawn(|| bench.lab.find_again());
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(!found.is_finished(), "the work item still uses the adapter");
        bench.script(0);
        found
            .join()
            .expect("no panic")
            .unwrap_or_else(|error| panic!("{error}"));
    });
    assert_eq!(bench.count(ENDED), 1);
    bench.remove();
}
