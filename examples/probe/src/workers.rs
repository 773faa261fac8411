//! The cases of work items.

use core::{ptr, sync::atomic::Ordering};

use probe_rows::{Answer, Case};

use crate::{
    bench::{self, Bench},
    ddi::{self, PHW_WORKITEM, PVOID},
};

/// Context of every work item that is to run.
const MARK: PVOID = ptr::without_provenance_mut(0xC0DE);
/// More work items than there are system worker threads: whatever is queued after them stays queued.
const BLOCKERS: usize = 16;

/// Makes the case's worker.
fn make(extension: PVOID, bench: &Bench<'_>) -> PVOID {
    let mut worker = ptr::null_mut();
    ddi::initialize_worker(extension, &raw mut worker);
    bench.worker.store(worker, Ordering::Release);
    worker
}

fn queue(extension: PVOID, callback: PHW_WORKITEM, worker: PVOID) -> u32 {
    ddi::queue_work_item(extension, callback, worker, MARK)
}

/// Frees the case's worker, and looks whether it is free: the second time the call says so.
fn free_and_look(extension: PVOID, bench: &Bench<'_>, worker: PVOID) {
    bench.worker.store(ptr::null_mut(), Ordering::Release);
    bench.answer(ddi::free_worker(extension, worker));
    if ddi::free_worker(extension, worker) == Answer::Unsuccessful.value() {
        bench.effect(true);
    }
}

/// Makes every system worker thread wait until `HwStorStartIo` has ended.
pub(crate) fn occupy_threads(extension: PVOID) {
    for _ in 0..BLOCKERS {
        let mut worker = ptr::null_mut();
        if ddi::initialize_worker(extension, &raw mut worker) == Answer::Success.value() {
            queue(extension, Some(wait), worker);
        }
    }
}

/// Provokes a case; false if it is none of work items. In `HwStorStartIo`.
pub(crate) fn provoke(case: Case, extension: PVOID, bench: &Bench<'_>) -> bool {
    let mut unused = ptr::null_mut();
    match case {
        Case::InitializeWorker => {
            let mut worker = ptr::null_mut();
            bench.answer(ddi::initialize_worker(extension, &raw mut worker));
            bench.worker.store(worker, Ordering::Release);
            if !worker.is_null() {
                bench.effect(true);
            }
        }
        Case::InitializeWorkerAtDirql => {
            let answer = ddi::at_dirql(extension, || ddi::initialize_worker(extension, &raw mut unused));
            bench.answer(answer);
        }
        Case::InitializeWorkerNoExtension => {
            bench.answer(ddi::initialize_worker(ptr::null_mut(), &raw mut unused));
        }
        Case::InitializeWorkerNoWorker => bench.answer(ddi::initialize_worker(extension, ptr::null_mut())),
        Case::QueueWorkItem => {
            let worker = make(extension, bench);
            bench.answer(queue(extension, Some(run), worker));
        }
        Case::QueueWorkItemRunning => {
            let worker = make(extension, bench);
            queue(extension, Some(run_again), worker);
        }
        Case::QueueWorkItemQueued => {
            let worker = make(extension, bench);
            occupy_threads(extension);
            queue(extension, Some(run), worker);
            bench.answer(queue(extension, Some(run), worker));
        }
        Case::QueueWorkItemRemoving => {
            make(extension, bench);
            bench.queue_when_removing.store(1, Ordering::Release);
        }
        Case::QueueWorkItemAtDirql => {
            let worker = make(extension, bench);
            bench.answer(ddi::at_dirql(extension, || queue(extension, Some(never), worker)));
        }
        Case::QueueWorkItemNoExtension => {
            let worker = make(extension, bench);
            bench.answer(queue(ptr::null_mut(), Some(never), worker));
        }
        Case::QueueWorkItemNoWorker => bench.answer(queue(extension, Some(never), ptr::null_mut())),
        Case::QueueWorkItemNoCallback => {
            let worker = make(extension, bench);
            bench.answer(queue(extension, None, worker));
        }
        Case::FreeWorker => {
            let worker = make(extension, bench);
            free_and_look(extension, bench, worker);
        }
        Case::FreeWorkerRunning => {
            let worker = make(extension, bench);
            queue(extension, Some(free_itself), worker);
        }
        Case::FreeWorkerQueued => {
            let worker = make(extension, bench);
            occupy_threads(extension);
            queue(extension, Some(run), worker);
            bench.answer(ddi::free_worker(extension, worker));
        }
        Case::FreeWorkerTwice => {
            let worker = make(extension, bench);
            bench.worker.store(ptr::null_mut(), Ordering::Release);
            ddi::free_worker(extension, worker);
            bench.answer(ddi::free_worker(extension, worker));
        }
        Case::FreeWorkerAtDirql => {
            let worker = make(extension, bench);
            bench.answer(ddi::at_dirql(extension, || ddi::free_worker(extension, worker)));
        }
        Case::FreeWorkerNoExtension => {
            let worker = make(extension, bench);
            bench.answer(ddi::free_worker(ptr::null_mut(), worker));
        }
        Case::FreeWorkerNoWorker => bench.answer(ddi::free_worker(extension, ptr::null_mut())),
        _ => return false,
    }
    true
}

/// Frees what the case left.
pub(crate) fn clean_up(extension: PVOID, bench: &Bench<'_>) {
    let worker = bench.worker.swap(ptr::null_mut(), Ordering::AcqRel);
    if !worker.is_null() {
        ddi::free_worker(extension, worker);
    }
}

/// The adapter's removal SRB has come.
pub(crate) fn remove(extension: PVOID, bench: &Bench<'_>) {
    if bench.queue_when_removing.swap(0, Ordering::AcqRel) != 0 {
        let worker = bench.worker.load(Ordering::Acquire);
        bench.answer(queue(extension, Some(never), worker));
    }
    clean_up(extension, bench);
}

/// Whether a callback got what it should, where it should.
fn right(bench: &Bench<'_>, ours: PVOID, extension: PVOID, context: PVOID, worker: PVOID) -> bool {
    (extension, context, worker, ddi::irql())
        == (ours, MARK, bench.worker.load(Ordering::Acquire), ddi::PASSIVE)
}

/// `HwStorWorkItem`: counts.
unsafe extern "C" fn run(extension: PVOID, context: PVOID, worker: PVOID) {
    if let Some((bench, ours)) = bench::current() {
        bench.effect(right(bench, ours, extension, context, worker));
    }
}

/// `HwStorWorkItem`: counts, and queues itself the first time.
unsafe extern "C" fn run_again(extension: PVOID, context: PVOID, worker: PVOID) {
    if let Some((bench, ours)) = bench::current()
        && bench.effect(right(bench, ours, extension, context, worker)) == 1
    {
        bench.answer(queue(ours, Some(run_again), worker));
    }
}

/// `HwStorWorkItem`: frees its worker.
unsafe extern "C" fn free_itself(_extension: PVOID, _context: PVOID, worker: PVOID) {
    if let Some((bench, ours)) = bench::current() {
        free_and_look(ours, bench, worker);
    }
}

/// `HwStorWorkItem`: waits for `HwStorStartIo`, then frees its worker.
unsafe extern "C" fn wait(extension: PVOID, _context: PVOID, worker: PVOID) {
    ddi::pass_start_io_lock(extension);
    ddi::free_worker(extension, worker);
}

/// `HwStorWorkItem` of a request that was to be refused.
unsafe extern "C" fn never(_extension: PVOID, _context: PVOID, _worker: PVOID) {
    if let Some((bench, _)) = bench::current() {
        bench.effect(false);
    }
}
