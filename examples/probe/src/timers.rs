//! The cases of timers.

use core::{ptr, sync::atomic::Ordering};

use probe_rows::{Answer, Case};

use crate::{
    bench::{self, Bench},
    ddi::{self, PHW_TIMER_EX, PVOID},
};

/// Context of every timer that is to fire.
const MARK: PVOID = ptr::without_provenance_mut(0x71C0);
/// A handle that the port driver never gave out.
const UNKNOWN: PVOID = ptr::without_provenance_mut(0xBAD0_7130);
/// A delay that is over soon, in microseconds.
const SOON: u64 = 1_000;
/// A delay that is not over while `HwStorStartIo` runs, in microseconds.
const LATER: u64 = 10_000;
/// Timers that exist before the fifth.
const FOUR: usize = 4;

/// Makes the case's timer.
fn make(extension: PVOID, bench: &Bench<'_>) -> PVOID {
    let mut timer = ptr::null_mut();
    ddi::initialize_timer(extension, &raw mut timer);
    bench.timer.store(timer, Ordering::Release);
    timer
}

fn request(extension: PVOID, timer: PVOID, callback: PHW_TIMER_EX, microseconds: u64) -> u32 {
    ddi::request_timer(extension, timer, callback, MARK, microseconds)
}

/// Makes a timer and says so.
fn make_and_look(extension: PVOID, bench: &Bench<'_>) {
    let mut timer = ptr::null_mut();
    bench.answer(ddi::initialize_timer(extension, &raw mut timer));
    bench.timer.store(timer, Ordering::Release);
    if !timer.is_null() {
        bench.effect(true);
    }
}

/// Frees the case's timer, and looks whether it is free: the second time the call says so.
fn free_and_look(extension: PVOID, bench: &Bench<'_>, timer: PVOID) {
    bench.timer.store(ptr::null_mut(), Ordering::Release);
    bench.answer(ddi::free_timer(extension, timer));
    if ddi::free_timer(extension, timer) == Answer::Unsuccessful.value() {
        bench.effect(true);
    }
}

/// Provokes a case; false if it is none of timers. In `HwStorStartIo`.
pub(crate) fn provoke(case: Case, extension: PVOID, bench: &Bench<'_>) -> bool {
    provoke_initialize(case, extension, bench)
        || provoke_request(case, extension, bench)
        || provoke_free(case, extension, bench)
}

fn provoke_initialize(case: Case, extension: PVOID, bench: &Bench<'_>) -> bool {
    let mut unused = ptr::null_mut();
    match case {
        Case::InitializeTimer => make_and_look(extension, bench),
        Case::InitializeFifthTimer => {
            let mut others = [ptr::null_mut(); FOUR];
            for other in &mut others {
                ddi::initialize_timer(extension, other);
            }
            make_and_look(extension, bench);
            for other in others {
                ddi::free_timer(extension, other);
            }
        }
        Case::InitializeTimerAtDirql => {
            let answer = ddi::at_dirql(extension, || ddi::initialize_timer(extension, &raw mut unused));
            bench.answer(answer);
        }
        Case::InitializeTimerNoExtension => {
            bench.answer(ddi::initialize_timer(ptr::null_mut(), &raw mut unused));
        }
        Case::InitializeTimerNoTimer => bench.answer(ddi::initialize_timer(extension, ptr::null_mut())),
        _ => return false,
    }
    true
}

fn provoke_request(case: Case, extension: PVOID, bench: &Bench<'_>) -> bool {
    match case {
        Case::RequestTimer => {
            let timer = make(extension, bench);
            bench.answer(request(extension, timer, Some(fire), SOON));
        }
        Case::RequestTimerAtDirql => {
            let timer = make(extension, bench);
            let answer = ddi::at_dirql(extension, || request(extension, timer, Some(fire), SOON));
            bench.answer(answer);
        }
        Case::RequestTimerRunning => {
            let timer = make(extension, bench);
            request(extension, timer, Some(fire_again), SOON);
        }
        Case::RequestTimerCancel => {
            let timer = make(extension, bench);
            request(extension, timer, Some(never), LATER);
            bench.answer(request(extension, timer, Some(never), 0));
            request(extension, timer, Some(fire), SOON);
        }
        Case::RequestTimerActive => {
            let timer = make(extension, bench);
            request(extension, timer, Some(fire), LATER);
            bench.answer(request(extension, timer, Some(never), SOON));
        }
        Case::RequestTimerNoExtension => {
            let timer = make(extension, bench);
            bench.answer(request(ptr::null_mut(), timer, Some(never), SOON));
        }
        Case::RequestTimerNoTimer => bench.answer(request(extension, ptr::null_mut(), Some(never), SOON)),
        Case::RequestTimerNoCallback => {
            let timer = make(extension, bench);
            bench.answer(request(extension, timer, None, SOON));
        }
        Case::RequestTimerFreed => {
            let timer = make(extension, bench);
            bench.timer.store(ptr::null_mut(), Ordering::Release);
            ddi::free_timer(extension, timer);
            bench.answer(request(extension, timer, Some(never), SOON));
        }
        Case::RequestTimerUnknown => bench.answer(request(extension, UNKNOWN, Some(never), SOON)),
        _ => return false,
    }
    true
}

fn provoke_free(case: Case, extension: PVOID, bench: &Bench<'_>) -> bool {
    match case {
        Case::FreeTimer => {
            let timer = make(extension, bench);
            free_and_look(extension, bench, timer);
        }
        Case::FreeTimerRunning => {
            let timer = make(extension, bench);
            request(extension, timer, Some(free_itself), SOON);
        }
        Case::FreeTimerTwice => {
            let timer = make(extension, bench);
            bench.timer.store(ptr::null_mut(), Ordering::Release);
            ddi::free_timer(extension, timer);
            bench.answer(ddi::free_timer(extension, timer));
        }
        Case::FreeTimerStarved => {
            let timer = make(extension, bench);
            bench.answer(ddi::free_timer(extension, timer));
        }
        Case::FreeTimerAtDirql => {
            let timer = make(extension, bench);
            bench.answer(ddi::at_dirql(extension, || ddi::free_timer(extension, timer)));
        }
        Case::FreeTimerNoExtension => {
            let timer = make(extension, bench);
            bench.answer(ddi::free_timer(ptr::null_mut(), timer));
        }
        Case::FreeTimerNoTimer => bench.answer(ddi::free_timer(extension, ptr::null_mut())),
        _ => return false,
    }
    true
}

/// Frees what the case left.
pub(crate) fn clean_up(extension: PVOID, bench: &Bench<'_>) {
    let timer = bench.timer.swap(ptr::null_mut(), Ordering::AcqRel);
    if !timer.is_null() {
        ddi::free_timer(extension, timer);
    }
}

/// Whether a callback got what it should, where it should.
fn right(ours: PVOID, extension: PVOID, context: PVOID) -> bool {
    (extension, context, ddi::irql()) == (ours, MARK, ddi::DISPATCH)
}

/// `HwStorTimer`: counts.
unsafe extern "C" fn fire(extension: PVOID, context: PVOID) {
    if let Some((bench, ours)) = bench::current() {
        bench.effect(right(ours, extension, context));
    }
}

/// `HwStorTimer`: counts, and sets itself the first time.
unsafe extern "C" fn fire_again(extension: PVOID, context: PVOID) {
    if let Some((bench, ours)) = bench::current()
        && bench.effect(right(ours, extension, context)) == 1
    {
        let timer = bench.timer.load(Ordering::Acquire);
        bench.answer(request(ours, timer, Some(fire_again), SOON));
    }
}

/// `HwStorTimer`: frees its timer.
unsafe extern "C" fn free_itself(_extension: PVOID, _context: PVOID) {
    if let Some((bench, ours)) = bench::current() {
        free_and_look(ours, bench, bench.timer.load(Ordering::Acquire));
    }
}

/// `HwStorTimer` of a request that was to be refused or cancelled.
unsafe extern "C" fn never(_extension: PVOID, _context: PVOID) {
    if let Some((bench, _)) = bench::current() {
        bench.effect(false);
    }
}
