//! Line interrupts: a level that the routine has to take back.

use std::time::Duration;

use super::bench::{Bench, Miniport, eventually};
use crate::engine::{Context, Irql, LockName};

/// Without `MSISupported` there are no messages.
fn start<M: Miniport>() -> Bench {
    let bench = Bench::load_with::<M>(|options| options.registry.msi_supported = false);
    bench.try_start().expect("a start");
    bench
}

#[test]
fn the_routine_is_called_until_the_line_is_down() {
    struct Claims;
    impl Miniport for Claims {
        fn line(_extension: u64) -> bool {
            assert_eq!(Context::irql(), Irql::DEVICE);
            assert!(
                Context::holds(LockName::Interrupt),
                "HwStorInterrupt holds the interrupt lock"
            );
            true
        }
    }
    let bench = start::<Claims>();
    assert_eq!(bench.lab.limits().messages, 0);
    bench.device.raise(3);
    eventually("three calls", || bench.lab.statistics().interrupts == 3);
    // The line has come down meanwhile: there is nothing to deliver.
    bench.device.raise(0);
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(bench.lab.statistics().interrupts, 3);
    assert!(bench.broken().is_empty());
}

#[test]
fn a_line_that_nobody_claims_is_a_storm() {
    struct Refuses;
    impl Miniport for Refuses {
        fn line(_extension: u64) -> bool {
            false
        }
    }
    let bench = start::<Refuses>();
    // Somebody else's interrupt, now and then, is nothing bad.
    bench.device.raise(2);
    eventually("two calls", || bench.lab.statistics().unclaimed_interrupts == 2);
    assert!(bench.lab.violations().is_empty());
    bench.device.raise(u32::MAX);
    eventually("a storm", || !bench.lab.violations().is_empty());
    assert_eq!(bench.broken(), ["interrupt-storm"]);
}

#[test]
fn a_line_that_is_claimed_but_not_taken_back_is_a_storm() {
    struct Forgets;
    impl Miniport for Forgets {}
    let bench = start::<Forgets>();
    bench.device.raise(u32::MAX);
    eventually("a storm", || !bench.lab.violations().is_empty());
    assert_eq!(bench.broken(), ["interrupt-storm"]);
}
