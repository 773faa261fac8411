//! A point when none has come for long: the last resort against code that spins where no site was found.
//!
//! A timer of the thread's processor time looks whether the driver has come to any point since it looked last. It is the host's
//! time, so that where the point comes is not decided by the seed alone; an engine that replays notes it.
#![expect(unsafe_code, reason = "a timer of the thread, by system calls")]

use std::{cell::Cell, io, mem, ptr, time::Duration};

use super::{code, signal};

/// The timer's signal: nothing else in the lab uses it.
pub(super) const SIGNAL: libc::c_int = libc::SIGVTALRM;

thread_local! {
    // Without destructors and without lazy initialisation: the signal handler uses them.
    static POINTS: Cell<u64> = const { Cell::new(0) };
    static SEEN: Cell<u64> = const { Cell::new(0) };
}

/// The driver on this thread has come to a point.
pub fn progress() {
    POINTS.set(POINTS.get().wrapping_add(1));
}

/// Whether the thread was in driver code and at no point since the last look.
pub(super) fn is_overdue(address: u64) -> bool {
    let points = POINTS.get();
    SEEN.replace(points) == points && code::contains(address)
}

/// Looks after the thread that made it until it is dropped.
#[derive(Debug)]
pub struct Watchdog {
    timer: libc::timer_t,
}

// SAFETY: the timer's id is a handle of the process.
unsafe impl Send for Watchdog {}
// SAFETY: as above; nothing but `drop` uses it.
unsafe impl Sync for Watchdog {}

impl Watchdog {
    /// Looks at the calling thread each time it has used so much of the processor.
    ///
    /// # Errors
    /// If the system gives no timer.
    pub fn start(interval: Duration) -> io::Result<Self> {
        signal::install()?;
        // SAFETY: all-zero is a valid value of this C structure.
        let mut event: libc::sigevent = unsafe { mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = SIGNAL;
        // SAFETY: always valid to call.
        event.sigev_notify_thread_id = unsafe { libc::gettid() };
        let mut timer: libc::timer_t = ptr::null_mut();
        let made =
            // SAFETY: both structures are ours for the time of the call.
            unsafe { libc::timer_create(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut event, &raw mut timer) };
        if made != 0 {
            return Err(io::Error::last_os_error());
        }
        let watchdog = Self { timer };
        let time = libc::timespec {
            tv_sec: interval.as_secs().cast_signed(),
            tv_nsec: interval.subsec_nanos().into(),
        };
        let repeated = libc::itimerspec {
            it_interval: time,
            it_value: time,
        };
        // SAFETY: the timer was just made; the times are ours.
        if unsafe { libc::timer_settime(timer, 0, &raw const repeated, ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(watchdog)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // SAFETY: it was made by `start` and is deleted once.
        unsafe { libc::timer_delete(self.timer) };
    }
}
