//! The statistics' counters.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::request::Statistics;

macro_rules! counters {
    ($( $name:ident ),+) => {
        /// One counter per figure.
        #[derive(Default)]
        pub(super) struct Counters {
            $( $name: AtomicU64, )+
            stalled_ns: AtomicU64,
        }

        impl Counters {
            $(
                /// Counts one.
                pub(super) fn $name(&self) {
                    self.$name.fetch_add(1, Ordering::Relaxed);
                }
            )+

            /// Adds a stall.
            pub(super) fn stalled(&self, duration: Duration) {
                let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
                self.stalled_ns.fetch_add(ns, Ordering::Relaxed);
            }

            /// All figures.
            pub(super) fn snapshot(&self) -> Statistics {
                Statistics {
                    $( $name: self.$name.load(Ordering::Relaxed), )+
                    stalled: Duration::from_nanos(self.stalled_ns.load(Ordering::Relaxed)),
                }
            }
        }
    };
}

counters!(
    interrupts,
    unclaimed_interrupts,
    dpcs,
    work_items_queued,
    work_items_run,
    timers_fired,
    resets,
    srbs_issued,
    srbs_completed,
    busy_retries,
    state_changes,
    time_outs,
    calls,
    allocations,
    allocations_failed
);
