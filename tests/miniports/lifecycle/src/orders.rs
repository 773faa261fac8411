//! What the commands tell the miniport to do. True: the call did what it should.

use core::{sync::atomic::Ordering, time::Duration};

use storport::context::StartIo;

use crate::{Adapter, Job, Lifecycle, PERIOD};

const VENDOR_SPECIFIC: u8 = 0xC0;
const QUEUE: u8 = 1;
const START_TIMER: u8 = 2;
const CANCEL_TIMER: u8 = 3;
const START_PERIODIC: u8 = 4;
const CLOSE_PERIODIC: u8 = 5;
const ISSUE_DPC: u8 = 6;

/// Obeys a command.
pub(crate) fn obey<'dev>(
    cx: &mut StartIo<'dev, Lifecycle>,
    adapter: &'dev Adapter<'dev>,
    cdb: &[u8],
) -> bool {
    let [VENDOR_SPECIFIC, order, argument, ..] = *cdb else {
        return false;
    };
    match order {
        QUEUE => adapter
            .worker
            .get()
            .is_some_and(|worker| cx.queue(worker, Job { again: argument }).is_ok()),
        // The argument counts tenths of a second.
        START_TIMER => adapter.once.get().is_some_and(|timer| {
            let delay = Duration::from_millis(u64::from(argument).saturating_mul(100));
            cx.start_timer_within(timer, delay, Duration::from_millis(1))
                .is_ok()
        }),
        CANCEL_TIMER => adapter.once.get().is_some_and(|timer| cx.cancel_timer(timer)),
        START_PERIODIC => adapter
            .periodic
            .get()
            .is_some_and(|timer| cx.start_timer(timer, PERIOD).is_ok()),
        CLOSE_PERIODIC => {
            adapter.closes.store(1, Ordering::Relaxed);
            true
        }
        ISSUE_DPC => (0..=argument).all(|_| cx.issue_dpc(0)),
        _ => false,
    }
}
