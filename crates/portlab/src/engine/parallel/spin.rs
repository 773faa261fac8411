//! Looking for something to do for a moment before sleeping: a sleeper costs whoever wakes it more than a short request takes.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// For how long.
const LIMIT: Duration = Duration::from_micros(50);
/// Looks between two looks at the clock.
const LOOKS: u32 = 8;

/// Whether looking pays.
static WORTHWHILE: AtomicBool = AtomicBool::new(true);

/// Threads that have nothing to do sleep at once from now on: others want the host's processors, whose work is waited for.
pub(crate) fn give_way() {
    WORTHWHILE.store(false, Ordering::Relaxed);
}

/// Looks until `ready` says so or the moment is over; on a host with one processor, who spins keeps others from making it ready.
pub(crate) fn until(ready: impl Fn() -> bool) -> bool {
    static ALONE: LazyLock<bool> =
        LazyLock::new(|| thread::available_parallelism().is_ok_and(|processors| processors.get() == 1));
    if ready() {
        return true;
    }
    if *ALONE || !WORTHWHILE.load(Ordering::Relaxed) {
        return false;
    }
    let began = Instant::now();
    while began.elapsed() < LIMIT {
        for _ in 0..LOOKS {
            if ready() {
                return true;
            }
            std::hint::spin_loop();
        }
    }
    false
}
